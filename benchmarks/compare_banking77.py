"""Which way of tuning is best on BANKING77 with few labels and with all: full, frozen, last layers, LoRA, from scratch?

One comparison for each number of labels, all on the same 3,080 test rows, through `dianji compare --json`. Finished
steps are reused, so that an interrupted benchmark goes on if it is given a store to keep them in (`--store FOLDER`).
`--tiny` takes two steps with one seed, to see that everything works.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from _tools import DATA, answer, dianji, keep, need, processor, table, verdict

LIMITS: dict[str, str | None] = {"5": "5 per label", "10": "10 per label", "all": None}
#: Mean-pooled features of the same base and logistic regression; and what the best variant is to reach.
REFERENCE = {"5": 0.796, "10": 0.855, "all": 0.930}
GOALS = {"5": 0.80, "10": 0.865, "all": 0.940}
VARIANTS: list[dict[str, Any]] = [
    {"name": "full"},
    {"name": "frozen", "adapt": "frozen"},
    {"name": "last-layers", "adapt": {"last-layers": {"layers": 2}}},
    {"name": "lora", "adapt": {"lora": {"rank": 8}}},
    {"name": "scratch", "from": {"new": "transformer"}},
]
#: With few labels the head starts from class means, and each label's name is one more row (docs/few-labels.md).
_IMPRINT = {
    "adapt": {"last-layers": {"layers": 2}},
    "techniques": ["imprint"],
    "train": {"epochs": 10, "batch_size": 32},
}
_AGREEING = {"adapt": {"last-layers": {"layers": 3}}, "techniques": ["imprint", "r-drop"]}
FEW: list[dict[str, Any]] = [
    {"name": "imprint", **_IMPRINT},
    {"name": "imprint-names", **_IMPRINT, "data": "named"},
    {"name": "agreeing", **_IMPRINT, "data": "named", **_AGREEING},
]
#: With all of them two passes that agree are worth their time; word vectors stay as they are.
MANY: list[dict[str, Any]] = [
    {"name": "r-drop", "adapt": {"last-layers": {"layers": 6}}, "techniques": ["imprint", "r-drop"]},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=LIMITS, default=list(LIMITS), help="labels per class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="keep steps here and reuse what is done; default: a temporary one")
    parser.add_argument("--tiny", action="store_true", help="5 labels per class, one seed, two steps")
    arguments = parser.parse_args()
    folder = need(DATA / "banking77" / "banking_data")
    print(processor())
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (arguments.store or Path(temporary) / "store").absolute()
        for shots in ["5"] if arguments.tiny else arguments.only:
            path = Path(temporary) / f"{shots}.yaml"
            path.write_text(
                yaml.safe_dump(recipe(folder, shots, arguments.seeds, tiny=arguments.tiny), sort_keys=False)
            )
            began = time.perf_counter()
            results[shots] = answer([dianji(), "compare", path, "--json"], DIANJI_HOME=str(home))
            print(f"  {shots} labels per class: {time.perf_counter() - began:,.0f} s", flush=True)
    for shots, result in results.items():
        show(shots, result)
    if not arguments.tiny:
        targets = [judge(shots, result) for shots, result in results.items()]
        print()
        table(["best variant", "frozen features", "goal", "found", ""], targets)
        keep("compare_banking77", results)


def recipe(folder: Path, shots: str, seeds: int, *, tiny: bool) -> dict[str, Any]:
    """The comparison for one number of labels; the test rows are those of the data set."""
    split = {"validation": 0.05, "test": str(folder / "test.csv")}
    columns = {"text": "text", "label": "category"}
    rows = {"path": str(folder / "train.csv"), "columns": columns, "split": split, "limit": LIMITS[shots]}
    stage = {"task": "text-classification", "data": "questions", "evaluate": {"baselines": False}}
    variants = [*VARIANTS, *(FEW if LIMITS[shots] else MANY)]
    if tiny:
        stage["train"] = {"steps": 2}
        variants = [{**variant, "train": {"steps": 2}} for variant in variants]
    return {
        "name": f"banking77-{shots}",
        "seed": 7,
        "base": "minilm",
        "data": {"questions": rows, "named": {**rows, "names": True}},
        "stages": {"intent": stage},
        "compare": {
            "seeds": 1 if tiny else seeds,
            "variants": [{"stage": "intent", **variant} for variant in variants],
        },
    }


def show(shots: str, result: Mapping[str, Any]) -> None:
    """The table of one comparison, and what it recommends."""
    print(f"\n{shots} labels per class, {result['rows']:,} test rows, seeds {result['seeds']}")
    header = ["variant", result["metric"], "95 % interval", "against full", "learnt", "training", "memory", "ms", "MB"]
    table(header, [line(variant) for variant in result["variants"]])
    if result["recommendation"] is not None:
        print(result["recommendation"]["words"])


def line(variant: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    if variant["failure"] is not None:
        return [variant["name"], f"failed: {variant['failure']}", *[""] * 7]
    score, cost, against = variant["score"], variant["cost"], variant["against_first"]
    difference = f"{against['difference']['value']:+.4f}, {against['verdict']}" if against else ""
    return [
        variant["name"],
        f"{score['value']:.4f}",
        f"{score['low']:.4f} – {score['high']:.4f}",
        difference,
        f"{cost['trained_parameters']:,}",
        f"{cost['train_seconds']:,.0f} s",
        f"{cost['peak_memory_mb']:,.0f} MB",
        f"{cost['milliseconds']:.1f}",
        f"{cost['bytes'] / 1e6:,.0f}",
    ]


def judge(shots: str, result: Mapping[str, Any]) -> list[str]:
    """Whether the best variant reaches the goal."""
    scored = [variant for variant in result["variants"] if variant["score"] is not None]
    best = max(scored, key=lambda variant: variant["score"]["value"])
    found = best["score"]["value"]
    told = f"{best['name']}, {shots} labels per class"
    return [told, f"{REFERENCE[shots]:.3f}", f"{GOALS[shots]:.3f}", f"{found:.4f}", verdict(found >= GOALS[shots])]


if __name__ == "__main__":
    main()
