"""One work of ``suite`` by Dianji and by a trainer of Hugging Face at its best: speed, peak memory and a score."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from _tools import answer, interleaved, keep, median, processor, spread, table, verdict

CHILD = Path(__file__).with_name("_speed_child.py")
#: Of these the fastest counts: on a CPU without AMX fp32 may be faster than bf16.
BEST = ("trainer best", "trainer best, 1 loader", "trainer best, fp32")
Measured = Mapping[str, list[Any]]  # side -> its repeats


@dataclass(frozen=True)
class Work:
    """What is measured, and what is owed. ``scores``: name in the measurement -> heading; the first is judged."""

    name: str  # of the result's file
    suite: str  # the work that ``_speed_child.py`` knows
    unit: str
    ratio: float
    scores: Mapping[str, str]
    least: float

    def main(self, description: str | None) -> None:
        """Measure, and print the tables."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--repeats", type=int, default=3, help="of the timed epoch; 0: no speed")
        parser.add_argument("--seeds", type=int, default=3, help="full trainings with the defaults; 0: no quality")
        parser.add_argument("--full-trainer", action="store_true", help="the other trainer to the end, too")
        arguments = parser.parse_args()
        print(f"{processor()}\n")
        with tempfile.TemporaryDirectory() as temporary:

            def measure(side: str, *more: str) -> Any:
                return answer([sys.executable, CHILD, self.suite, "--side", side, "--data", temporary, *more])

            speed = interleaved(("dianji", *BEST), arguments.repeats, measure) if arguments.repeats else {}
            sides = ("dianji", *BEST[: arguments.full_trainer]) if arguments.seeds else ()
            seeds = {side: iter(range(7, 7 + arguments.seeds)) for side in sides}
            full = interleaved(
                sides, arguments.seeds, lambda side: measure(side, "--full", "--seed", str(next(seeds[side])))
            )
        self.report(speed, full)
        keep(self.name, {"speed": speed, "full": full})

    def report(self, speed: Measured, full: Measured) -> None:
        """The tables."""
        rates = {name: [one["rate"] for one in of] for name, of in speed.items()}
        rows = [
            [name, spread(rates[name], 1), f"{median(rates['dianji']) / median(rates[name]):.2f}", _peak(of)]
            for name, of in speed.items()
        ]
        print()
        table(["setting", f"{self.unit}/s", "dianji is x", "peak MB"], rows)
        print()
        rows = [
            [name, *(spread([one[score] for one in of], 4) for score in self.scores), _minutes(of)]
            for name, of in full.items()
        ]
        table(["trained to the end", *self.scores.values(), "minutes"], rows)
        print()
        table(["target", "wanted", "found", ""], self.judge(rates, full))

    def judge(self, rates: Mapping[str, list[float]], full: Measured) -> list[list[str]]:
        """Each target, its measurement, and whether it is met."""
        rows = []
        if rates:
            ratio = median(rates["dianji"]) / max(median(rates[name]) for name in BEST)
            rows.append(
                [f"{self.unit}/s against the best", f"≥ {self.ratio}x", f"{ratio:.2f}x", verdict(ratio >= self.ratio)]
            )
        if full:
            score, heading = next(iter(self.scores.items()))
            found = mean(one[score] for one in full["dianji"])
            rows.append(
                [f"{heading}, mean over seeds", f"≥ {self.least}", f"{found:.4f}", verdict(found >= self.least)]
            )
        return rows


def _peak(of: list[Any]) -> str:
    return spread([one["peak_mb"] for one in of])


def _minutes(of: list[Any]) -> str:
    return spread([one["seconds"] / 60 for one in of], 1)
