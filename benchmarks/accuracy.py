"""The examples' scores on public data, with intervals and time, against their targets.

Each example runs once through ``dianji run --json`` in a store of its own; a finished store is reused, so that the
table can be printed again in seconds: ``--store FOLDER``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _tools import DATA, ROOT, answer, dianji, keep, need, processor, table, verdict

EXAMPLES = ("banking77", "fashion", "thucnews")
TARGETS = {"banking77": 0.935, "fashion": 0.92}
POINTS = 0.03  # that pre-training must buy on thucnews


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=EXAMPLES, default=EXAMPLES)
    parser.add_argument("--store", type=Path, help="keep steps here and reuse what is done; default: a temporary one")
    arguments = parser.parse_args()
    need(DATA)
    print(processor())
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.only:
            began = time.perf_counter()
            recipe = ROOT / "examples" / f"{name}.yaml"
            home = (arguments.store or Path(temporary)).absolute()
            results[name] = answer([dianji(), "run", recipe, "--json"], DIANJI_HOME=str(home))
            results[name]["wall_seconds"] = round(time.perf_counter() - began, 1)
            print(f"  {name}: {results[name]['wall_seconds']} s", flush=True)
    rows = [row for name, result in results.items() for row in lines(name, result)]
    print()
    table(["example", "stage", "test", "value", "95 % interval", "best baseline", "training"], rows)
    print()
    targets = [met for name, result in results.items() for met in judge(name, result)]
    table(["target", "wanted", "found", ""], targets)
    keep("accuracy", {"results": results, "targets": targets})


def lines(name: str, result: Mapping[str, Any]) -> list[list[str]]:
    """One row a stage."""
    found = []
    for stage in result["stages"]:
        primary = stage["primary"]
        value = stage["metrics"]["test"][primary]
        baselines = [of["test"][primary]["value"] for of in stage["baselines"].values()]
        found.append(
            [
                name,
                stage["name"],
                primary,
                f"{value['value']:.4f}",
                f"{value['low']:.4f} – {value['high']:.4f}, n {value['n']:,}",
                f"{max(baselines):.4f}" if baselines else "",
                f"{stage['cost']['train_seconds']:,.0f} s" + (" (reused)" if stage["reused"] else ""),
            ]
        )
    return found


def judge(name: str, result: Mapping[str, Any]) -> list[list[str]]:
    """What is wanted of the example, what was found, whether that is enough."""
    scores = {stage["name"]: stage["metrics"]["test"][stage["primary"]]["value"] for stage in result["stages"]}
    if name in TARGETS:
        found = scores[result["stages"][-1]["name"]]
        return [[f"{name}: test accuracy", f"{TARGETS[name]:.3f}", f"{found:.4f}", verdict(found >= TARGETS[name])]]
    gain = scores["topics"] - scores["scratch"]
    told = f"{100 * gain:+.1f} points"
    return [
        [f"{name}: with pre-training against without", f"+{100 * POINTS:.0f} points", told, verdict(gain >= POINTS)]
    ]


if __name__ == "__main__":
    main()
