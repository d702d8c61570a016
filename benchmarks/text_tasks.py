"""Chinese text tasks from ``e5`` with the defaults: scores on the test rows with intervals, beside counted words.

- titles: ten topics of THUCNews titles, learnt from 1,000 labels; the data set's own test file
- reviews: mood of hotel reviews (ChnSentiCorp), learnt from 1,000 labels; a fifth of the rows tests
- similarity: scored pairs of STS-B in Chinese; the data set's own files

Each runs once through ``dianji run --json``; a finished store is reused: ``--store FOLDER``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from _tools import DATA, answer, dianji, keep, need, processor, table, verdict

LABELS = 1000
#: What is owed on the test rows, beside doing better than the best baseline; from the base alone, 0.783 in similarity.
TARGETS = {"titles": 0.84, "similarity": 0.81}


def titles(folder: Path) -> Mapping[str, Any]:
    source = need(DATA / "thucnews_titles" / "THUCNews" / "data")
    split = {"validation": 0.1, "test": str(source / "test.txt")}
    data = {"path": str(source / "dev.txt"), "format": "labelled-text", "split": split, "limit": LABELS}
    return {"data": data, "task": "text-classification"}


def reviews(folder: Path) -> Mapping[str, Any]:
    source = need(DATA / "chnsenticorp_htl" / "datasets" / "ChnSentiCorp_htl_all" / "ChnSentiCorp_htl_all.csv")
    data = {
        "path": str(source),
        "columns": {"text": "review", "label": "label"},
        "split": {"validation": 0.05, "test": 0.2, "stratify": "label"},
        "limit": LABELS,
        "clean": {"drop_empty": True},
    }
    return {"data": data, "task": "text-classification"}


def similarity(folder: Path) -> Mapping[str, Any]:
    for split in ("train", "dev", "test"):
        source = need(DATA / "stsb_multi" / "data" / f"stsb-zh-{split}.csv")
        with source.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "other", "score"), *rows])
    split = {"validation": str(folder / "dev.csv"), "test": str(folder / "test.csv")}
    data = {"path": str(folder / "train.csv"), "split": split}
    return {"data": data, "task": {"sentence-embedding": {"form": "scored-pairs"}}}


WORKS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "titles": titles,
    "reviews": reviews,
    "similarity": similarity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--base", default="e5", help="a registered base, a folder or a Hub id")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--store", type=Path, help="keep steps here and reuse what is done; default: a temporary one")
    arguments = parser.parse_args()
    print(processor())
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (arguments.store or Path(temporary) / "store").absolute()
        for name in arguments.only:
            folder = Path(temporary) / name
            folder.mkdir()
            recipe = folder / "recipe.yaml"
            recipe.write_text(yaml.safe_dump(_recipe(name, folder, arguments.base, arguments.seed)), encoding="utf-8")
            began = time.perf_counter()
            (results[name],) = answer([dianji(), "run", recipe, "--json"], DIANJI_HOME=str(home))["stages"]
            print(f"  {name}: {time.perf_counter() - began:,.0f} s", flush=True)
    print()
    header = ["work", "test", "value", "95 % interval", "best baseline", "owed", "", "training"]
    table(header, [_line(name, stage) for name, stage in results.items()])
    keep("text_tasks", {"base": arguments.base, "seed": arguments.seed, "results": results})


def _recipe(name: str, folder: Path, base: str, seed: int) -> dict[str, Any]:
    work = WORKS[name](folder)
    stage = {"task": work["task"], "data": "rows"}
    return {"name": name, "seed": seed, "base": base, "data": {"rows": work["data"]}, "stages": {name: stage}}


def _line(name: str, stage: Mapping[str, Any]) -> list[str]:
    primary = stage["primary"]
    value = stage["metrics"]["test"][primary]
    best = max(of["test"][primary]["value"] for of in stage["baselines"].values())
    owed = max(best, TARGETS.get(name, 0.0))
    return [
        name,
        primary,
        f"{value['value']:.4f}",
        f"{value['low']:.4f} – {value['high']:.4f}, n {value['n']:,}",
        f"{best:.4f}",
        f"{owed:.3f}",
        verdict(value["value"] >= owed),
        f"{stage['cost']['train_seconds']:,.0f} s" + (" (reused)" if stage["reused"] else ""),
    ]


if __name__ == "__main__":
    main()
