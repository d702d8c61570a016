"""Accuracy: the share of rows that are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.outcome import Outcome
from dianji.registry import component


@component("metric", "accuracy")
@dataclass(frozen=True)
class Accuracy:
    """With several labels a row is right if all its labels are, and no other is given (subset accuracy)."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    share_of_right: ClassVar[bool] = True

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = weights @ outcome.right() / weights.sum(axis=1)
        return values
