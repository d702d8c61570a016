"""One stage with two parts (intents and slots) beside a stage for each: scores with intervals, and seconds of training.

The turns of ``examples/dialogues`` on all-MiniLM-L6-v2. All three stages have the same rows, rates, batches and epochs;
seconds are those of training, without evaluations. Owed: neither part more than a point below its own stage, one
artefact, at most 0.6 of the time of both stages.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from _tools import DATA, ROOT, answer, dianji, keep, need, processor, spread, table, verdict

EXAMPLE = ROOT / "examples" / "dialogues"
PARTS = {"intent": "accuracy", "slots": "span-f1"}
BOTH = "both"
POINTS, SHARE = 0.01, 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--rows", type=int, help="the first turns alone, for a quick look")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    need(DATA)
    print(processor())
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, EXAMPLE / "generate.py", "--out", folder], check=True, capture_output=True)
        turns = folder / "turns.jsonl"
        if arguments.rows:
            kept = turns.read_text(encoding="utf-8").splitlines(keepends=True)[: arguments.rows]
            turns.write_text("".join(kept), encoding="utf-8")
        for seed in range(7, 7 + arguments.seeds):
            for name in (BOTH, *PARTS):  # a store each: what one stage keeps must not help another
                recipe = folder / f"{name}-{seed}.json"
                written = recipe_of(name, turns, seed, arguments.epochs)
                recipe.write_text(json.dumps(written), encoding="utf-8")
                ran = answer([dianji(), "run", recipe, "--json"], DIANJI_HOME=str(folder / f"{name}-{seed}"))
                (stage,) = ran["stages"]
                found.setdefault(name, []).append(measured(name, stage))
                print(f"  {name}, seed {seed}: {found[name][-1]['seconds']:.0f} s", flush=True)
    report(found)
    keep("joint", found)


def recipe_of(name: str, turns: Path, seed: int, epochs: float) -> dict[str, Any]:
    """The example with its stage, or with a stage of one of the parts alone."""
    recipe: dict[str, Any] = yaml.safe_load((EXAMPLE / "recipe.yaml").read_text(encoding="utf-8"))
    (stage,) = recipe["stages"].values()
    data = {**recipe["data"]["turns"], "path": str(turns)}
    train = {"epochs": epochs, "batch_size": 64, "learning_rate": 2e-4, "evaluate_every": 10**6}
    task = {"parts": stage["parts"]} if name == BOTH else stage["parts"][name]
    stages = {name: {**task, "train": train, "seed": seed, "evaluate": {"baselines": False}}}
    return {**recipe, "data": {"turns": data}, "stages": stages}


def measured(name: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds, and the score of each part with its interval."""
    of_test = stage["metrics"]["test"]
    scores = {
        part: of_test[f"{part}/{metric}" if name == BOTH else metric]
        for part, metric in PARTS.items()
        if name in (BOTH, part)
    }
    return {"seconds": stage["cost"]["train_seconds"], "scores": scores}


def report(found: Mapping[str, list[dict[str, Any]]]) -> None:
    """The tables."""
    rows = [
        [
            name,
            part,
            f"{mean(one['scores'][part]['value'] for one in of):.4f}",
            interval(of[0]["scores"][part]),
            time_of(of),
        ]
        for name, of in found.items()
        for part in of[0]["scores"]
    ]
    print()
    table(["stage", "part", "test", "95 % interval, first seed", "seconds"], rows)
    targets = []
    for part in PARTS:
        lost = score(found[part], part) - score(found[BOTH], part)
        targets.append([f"{part}: points below its own stage", f"≤ {POINTS}", f"{lost:.4f}", verdict(lost <= POINTS)])
    share = seconds(found[BOTH]) / sum(seconds(found[part]) for part in PARTS)
    targets.append(["seconds, of those of two stages", f"≤ {SHARE}", f"{share:.2f}", verdict(share <= SHARE)])
    print()
    table(["target", "wanted", "found", ""], targets)


def score(of: list[dict[str, Any]], part: str) -> float:
    """The mean over seeds."""
    return mean(one["scores"][part]["value"] for one in of)


def seconds(of: list[dict[str, Any]]) -> float:
    """The mean over seeds."""
    return mean(one["seconds"] for one in of)


def interval(estimate: Mapping[str, Any]) -> str:
    """``0.912 – 0.934``."""
    return f"{estimate['low']:.4f} – {estimate['high']:.4f}"


def time_of(of: list[dict[str, Any]]) -> str:
    """The median, with the lowest and the highest."""
    return spread([one["seconds"] for one in of])


if __name__ == "__main__":
    main()
