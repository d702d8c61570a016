"""F1: the harmonic mean of precision and recall, averaged over labels in three ways (van Rijsbergen, 1979).

Labels that stand nowhere in the rows, neither as truth nor as prediction, count in no average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.counts import ratio
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.outcome import Outcome
from dianji.registry import component


@component("metric", "macro-f1")
@dataclass(frozen=True)
class MacroF1:
    """The mean over labels: rare labels weigh as much as frequent ones."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        counts = outcome.counts(weights)
        return ratio(counts.f1().sum(axis=1), counts.occurs().sum(axis=1))


@component("metric", "micro-f1")
@dataclass(frozen=True)
class MicroF1:
    """Over all decisions together; with one label per row it equals accuracy."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        counts = outcome.counts(weights)
        return ratio(2 * counts.hits.sum(axis=1), (counts.predicted + counts.support).sum(axis=1))


@component("metric", "weighted-f1")
@dataclass(frozen=True)
class WeightedF1:
    """The mean over labels, each weighing as much as it has rows."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        counts = outcome.counts(weights)
        return ratio((counts.f1() * counts.support).sum(axis=1), counts.support.sum(axis=1))
