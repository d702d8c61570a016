"""A training by Dianji, through its verbs, with the moments that a timing needs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dianji import verbs
from dianji.artefact.reproduce import FRESH
from dianji.reporting import Meter, Silent
from dianji.results import StageResult
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from suite.process import peak_mb, sampled

WARM_UP = 5  # steps that are left out of a steady rate


@dataclass
class Clock(Silent):
    """Moments of a run, in seconds of ``time.perf_counter``.

    ``encoded``: every row is examples. ``began``: the loop does; 0 where there is none. ``steps``: the end of each.
    ``learnt``: the model is about to be measured on the held-out rows.
    """

    encoded: float = 0.0
    began: float = 0.0
    learnt: float = 0.0
    peak: float = 0.0
    steps: list[float] = field(default_factory=list)

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        if title.startswith("evaluating on") and not self.learnt:
            self.learnt, self.peak = time.perf_counter(), self.peak or peak_mb()
        if unit == "steps":
            self.began = time.perf_counter()
            yield self
            return
        yield Silent()
        if title.startswith("encoding"):
            self.encoded = time.perf_counter()

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.steps.append(time.perf_counter())
        self.peak = peak_mb()

    @property
    def per_step(self) -> float:
        """Seconds of a step once the run is warm."""
        first = min(WARM_UP, len(self.steps) - 1) - 1
        return (self.steps[-1] - self.steps[first]) / (len(self.steps) - 1 - first)

    @property
    def before_steps(self) -> float:
        """Seconds from rows that are examples to the first step: what is computed once, for all epochs."""
        return max(0.0, self.steps[0] - self.per_step - self.encoded)

    @property
    def whole(self) -> float:
        """Seconds from rows that are examples to a model that has learnt."""
        return self.learnt - self.encoded


def settle() -> None:
    """Start the process that will prove the artefact, and wait until it has imported what it needs.

    It does so while training runs: nothing in a whole training, but a core less in a window of seconds. One that was
    kept has imported all.
    """
    if FRESH.process is not None and FRESH.process.poll() is None:
        return
    FRESH.start()
    if FRESH.process is None:  # no fork here
        return
    process, used, before = psutil.Process(FRESH.process.pid), 0.0, -1.0
    while used > before:
        time.sleep(0.7)
        before, used = used, sum(process.cpu_times()[:2])


@dataclass(frozen=True)
class Trained:
    """What a stage came to."""

    clock: Clock
    stage: StageResult
    helpers_mb: float


def train(
    stage: Mapping[str, Any], base: Any, split: Mapping[str, Path], folder: Path, seed: int, *, keep: bool = False
) -> Trained:
    """One stage, with defaults but for what ``stage`` says; ``split`` names files to train, validate and test on.

    ``keep``: the process that proves artefacts is left for the next training of this process, which need not wait.
    """
    recipe = {
        "name": "bench",
        "seed": seed,
        "base": base,
        "data": {
            "rows": {
                "path": str(split["train"]),
                "split": {"validation": str(split["validation"]), "test": str(split["test"])},
            }
        },
        "stages": {"stage": {"data": "rows", "evaluate": {"baselines": False, "resamples": 100}, **stage}},
    }
    settle()
    clock = Clock()
    with sampled() as sample:
        result = verbs.run(Recipe.parse(recipe), reporter=clock, store=Store(folder / "store"))
    if not keep:
        FRESH.stop()
    if not clock.encoded or not clock.learnt:
        raise SystemExit("Dianji no longer reports work as 'encoding …' and 'evaluating on …', which the clock goes by")
    return Trained(clock, result.stages[0], sample.highest)
