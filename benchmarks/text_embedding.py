"""Scored pairs of STS-B by Dianji and by SentenceTransformerTrainer: pairs/s, peak memory, Spearman's correlation.

all-MiniLM-L6-v2 and CoSENT, the same rows, batch and learning rate. Speed is that of an epoch after a warm-up; the
other trainer has its best settings (bf16, fused AdamW), with and without a loader process, and the faster one counts.
Quality is that of Dianji's defaults on the test file, over seeds; ``--full-trainer`` also trains the other one to the
end, as its documentation does (rate 2e-5, batch 16, 4 epochs).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from _tools import answer, interleaved, keep, median, processor, spread, table, verdict

CHILD = Path(__file__).with_name("_speed_child.py")
BEST = ("trainer best", "trainer best, 1 loader")
RATIO, SPEARMAN = 1.6, 0.868


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="of the timed epoch; 0: no speed")
    parser.add_argument("--seeds", type=int, default=3, help="full trainings with the defaults; 0: no quality")
    parser.add_argument("--full-trainer", action="store_true", help="the Trainer to the end, too")
    arguments = parser.parse_args()
    print(f"{processor()}\n")
    with tempfile.TemporaryDirectory() as temporary:

        def measure(side: str, *more: str) -> Any:
            return answer([sys.executable, CHILD, "similarity", "--side", side, "--data", temporary, *more])

        speed = interleaved(("dianji", *BEST), arguments.repeats, measure) if arguments.repeats else {}
        sides = ("dianji", *BEST[: arguments.full_trainer]) if arguments.seeds else ()
        seeds = {side: iter(range(7, 7 + arguments.seeds)) for side in sides}
        full = interleaved(
            sides, arguments.seeds, lambda side: measure(side, "--full", "--seed", str(next(seeds[side])))
        )
    report(speed, full)
    keep("text_embedding", {"speed": speed, "full": full})


def report(speed: Mapping[str, list[Any]], full: Mapping[str, list[Any]]) -> None:
    """The tables."""
    rates = {name: [one["rate"] for one in of] for name, of in speed.items()}
    rows = [
        [name, spread(rates[name], 1), f"{median(rates['dianji']) / median(rates[name]):.2f}", _peak(of)]
        for name, of in speed.items()
    ]
    print()
    table(["setting", "pairs/s", "dianji is x", "peak MB"], rows)
    print()
    rows = [[name, spread([one["spearman"] for one in of], 4), _minutes(of)] for name, of in full.items()]
    table(["trained to the end", "test Spearman", "minutes"], rows)
    print()
    table(["target", "wanted", "found", ""], judge(rates, full))


def judge(rates: Mapping[str, list[float]], full: Mapping[str, list[Any]]) -> list[list[str]]:
    """Each target, its measurement, and whether it is met."""
    rows = []
    if rates:
        ratio = median(rates["dianji"]) / max(median(rates[name]) for name in BEST)
        rows.append(["pairs/s against the best", f"≥ {RATIO}x", f"{ratio:.2f}x", verdict(ratio >= RATIO)])
    if full:
        found = mean(one["spearman"] for one in full["dianji"])
        rows.append(["Spearman, mean over seeds", f"≥ {SPEARMAN}", f"{found:.4f}", verdict(found >= SPEARMAN)])
    return rows


def _peak(of: list[Any]) -> str:
    return spread([one["peak_mb"] for one in of])


def _minutes(of: list[Any]) -> str:
    return spread([one["seconds"] / 60 for one in of], 1)


if __name__ == "__main__":
    main()
