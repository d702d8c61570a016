"""Agreement of a model's numbers or similarities with the true ones. Both metrics ignore the scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.outcome import Outcome
from dianji.evaluate.regressed import Regressed
from dianji.evaluate.similar import Similarity
from dianji.evaluate.weighted import correlation, ranks
from dianji.registry import component


@component("metric", "spearman")
@dataclass(frozen=True)
class Spearman:
    """Correlation of the ranks of answer and truth; equal values share a rank (Spearman, 1904).

    The bootstrap ranks each resample anew. 0 where all answers, or all true values, are equal. Of several numbers per
    row the mean over them.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Similarity, Regressed)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, outcome: Similarity | Regressed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _mean(
            [correlation(ranks(given, weights), ranks(true, weights), weights) for given, true in outcome.numbers()]
        )


@component("metric", "pearson")
@dataclass(frozen=True)
class Pearson:
    """Linear correlation of answer and truth; 0 where all answers, or all true values, are equal.

    Of several numbers per row the mean over them.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Similarity, Regressed)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, outcome: Similarity | Regressed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _mean([correlation(given, true, weights) for given, true in outcome.numbers()])


def _mean(of_each: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(of_each, axis=0))
