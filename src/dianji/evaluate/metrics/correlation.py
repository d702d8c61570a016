"""Agreement of a model's similarities with scores by people. Both metrics ignore the scale of the scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.outcome import Outcome
from dianji.evaluate.similar import Similarity
from dianji.evaluate.weighted import correlation, ranks
from dianji.registry import component


@component("metric", "spearman")
@dataclass(frozen=True)
class Spearman:
    """Correlation of the ranks of cosine and score; equal values share a rank (Spearman, 1904).

    The bootstrap ranks each resample anew. 0 where all cosines, or all scores, are equal.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Similarity,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, outcome: Similarity, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return correlation(ranks(outcome.cosine, weights), ranks(outcome.score, weights), weights)


@component("metric", "pearson")
@dataclass(frozen=True)
class Pearson:
    """Linear correlation of cosine and score; 0 where all cosines, or all scores, are equal."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Similarity,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __call__(self, outcome: Similarity, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return correlation(outcome.cosine.astype(np.float64), outcome.score, weights)
