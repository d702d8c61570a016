"""Is advice good? Its estimates against real runs, and its choice against a comparison of everything it weighed.

Three data sets: English financial news (three sentiments), Chinese news titles (ten topics), pictures of clothes (ten
kinds). For each, `dianji advise --compare` times all candidates and writes the comparison, which is then run in full.

- estimates: training time of every candidate, forecast from three steps, against what the run reports
- choice: the score of the candidate that was advised against the best score of all
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from _tools import DATA, answer, dianji, keep, need, processor, table, verdict

FACTOR = 1.5
POINTS = 0.01
TITLES, PICTURES, HELD_OUT = 4000, 4000, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="keep steps here and reuse what is done; default: a temporary one")
    arguments = parser.parse_args()
    print(processor())
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (arguments.store or Path(temporary) / "store").absolute()
        for name in arguments.only:
            folder = Path(temporary) / name
            folder.mkdir()
            SETS[name](folder)
            results[name] = measure(folder, home, arguments.seeds)
            print(f"  {name}: {results[name]['advise_seconds']:.0f} s of advice", flush=True)
    for name, result in results.items():
        show(name, result)
    print()
    table(["target", "wanted", "found", ""], [row for name, result in results.items() for row in judge(name, result)])
    keep("advise", results)


def measure(data: Path, home: Path, seeds: int) -> dict[str, Any]:
    """Ask for advice, then run all of it."""
    recipe, fresh = data.with_suffix(".yaml"), data.with_suffix(".store")  # no data set sees what another one left
    began = time.perf_counter()
    advice = answer([dianji(), "advise", data, "--out", recipe, "--compare", "--json"], DIANJI_HOME=str(fresh))
    seconds = time.perf_counter() - began
    written = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    written["compare"]["seeds"] = seeds
    for stage in written["stages"].values():
        stage["evaluate"] = {"baselines": False}
    recipe.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), encoding="utf-8")
    comparison = answer([dianji(), "compare", recipe, "--json"], DIANJI_HOME=str(home))
    return {"advise_seconds": seconds, "advice": advice, "comparison": comparison}


def pairs(result: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each candidate with what became of it."""
    options = {option["name"]: option for option in result["advice"]["options"]}
    return [(options[variant["name"]], variant) for variant in result["comparison"]["variants"] if variant["score"]]


def factor(option: Mapping[str, Any], variant: Mapping[str, Any]) -> float:
    """Forecast by measured training time, of the last stage: that is what a comparison reports."""
    return float(option["forecast"]["stage_seconds"]["classify"]) / float(variant["cost"]["train_seconds"])


def show(name: str, result: Mapping[str, Any]) -> None:
    """Candidates in the order of advice."""
    comparison = result["comparison"]
    print(f"\n{name}: {comparison['rows']:,} {comparison['split']} rows, seeds {comparison['seeds']}")
    rows = []
    for option, variant in pairs(result):
        score, cost, forecast = variant["score"], variant["cost"], option["forecast"]
        rows.append(
            [
                option["name"],
                f"{score['value']:.4f}",
                f"{score['low']:.4f} – {score['high']:.4f}",
                f"{forecast['stage_seconds']['classify']:,.0f} s",
                f"{cost['train_seconds']:,.0f} s",
                f"{factor(option, variant):.2f}",
                f"{forecast['peak_memory_mb']:,.0f} MB",
                f"{cost['peak_memory_mb']:,.0f} MB",
            ]
        )
    header = [
        "candidate, as advised",
        comparison["metric"],
        "95 % interval",
        "forecast",
        "took",
        "by",
        "memory",
        "used",
    ]
    table(header, rows)
    failed = [f"{one['name']}: {one['failure']}" for one in comparison["variants"] if one["failure"]]
    print("\n".join(failed))


def judge(name: str, result: Mapping[str, Any]) -> list[list[str]]:
    """Whether every estimate is near enough, and the choice good enough."""
    found = pairs(result)
    scores = {option["name"]: variant["score"]["value"] for option, variant in found}
    behind = max(scores.values()) - scores[result["advice"]["chosen"]]
    factors = [factor(option, variant) for option, variant in found]
    near = all(1 / FACTOR <= of <= FACTOR for of in factors)
    return [
        [f"{name}: chosen behind the best", f"≤ {POINTS:.2f}", f"{behind:.4f}", verdict(behind <= POINTS)],
        [
            f"{name}: forecast by measured",
            f"{1 / FACTOR:.2f} – {FACTOR:.2f}",
            f"{min(factors):.2f} – {max(factors):.2f}",
            verdict(near),
        ],
    ]


def english(folder: Path) -> None:
    """Financial news, a fifth held out."""
    path = need(DATA / "financial_phrasebank" / "Sentences_50Agree.txt")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = sorted({tuple(line.rsplit("@", 1)) for line in lines if line.strip()})
    random.Random(7).shuffle(rows)
    held = len(rows) // 5
    write(folder / "test.csv", rows[:held])
    write(folder / "train.csv", rows[held:])


def chinese(folder: Path) -> None:
    """News titles, some of the development file to train on; its full training file is not public."""
    source = need(DATA / "thucnews_titles" / "THUCNews" / "data")
    names = (source / "class.txt").read_text(encoding="utf-8").split()
    for file, name, most in (("dev.txt", "train.csv", TITLES), ("test.txt", "test.csv", HELD_OUT)):
        lines = (source / file).read_text(encoding="utf-8").splitlines()
        rows = [(text, names[int(number)]) for text, number in (line.rsplit("\t", 1) for line in lines if line.strip())]
        random.Random(7).shuffle(rows)
        write(folder / name, rows[:most])


def images(folder: Path) -> None:
    """Clothes, some of each file."""
    source = need(DATA / "fashion_mnist")
    for name, most in (("train", PICTURES), ("test", HELD_OUT)):
        table = pq.read_table(source / f"{name}.parquet")
        drawn = random.Random(7).sample(range(table.num_rows), most)
        pq.write_table(table.take(drawn), folder / f"{name}.parquet")


def write(path: Path, rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)


SETS: Mapping[str, Callable[[Path], None]] = {"english": english, "chinese": chinese, "images": images}


if __name__ == "__main__":
    main()
