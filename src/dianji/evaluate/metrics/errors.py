"""How far numbers are from the truth, in their units, and how much of its variance they explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.outcome import Outcome
from dianji.evaluate.regressed import Regressed
from dianji.registry import component

#: A variance below this share of the squared size of the values is rounding.
_NOTHING = 1e-20


@component("metric", "mae")
@dataclass(frozen=True)
class MeanAbsoluteError:
    """The mean distance to the truth, in its units; of several numbers per row the mean over them."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Regressed,)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __call__(self, outcome: Regressed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return np.asarray(_mean(np.abs(outcome.given - outcome.target), weights).mean(axis=1))


@component("metric", "rmse")
@dataclass(frozen=True)
class RootMeanSquaredError:
    """The root of the mean squared distance to the truth, in its units; of several numbers the mean of their roots."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Regressed,)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __call__(self, outcome: Regressed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return np.asarray(np.sqrt(_mean(np.square(outcome.given - outcome.target), weights)).mean(axis=1))


@component("metric", "r2")
@dataclass(frozen=True)
class ExplainedVariance:
    """The coefficient of determination: 1 less the squared error over that of the truth's own mean.

    0 where the truth does not vary; below 0 where the mean would be better. Of several numbers the mean over them.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Regressed,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (float("-inf"), 1.0)

    def __call__(self, outcome: Regressed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        error = _mean(np.square(outcome.given - outcome.target), weights)
        mean, square = _mean(outcome.target, weights), _mean(np.square(outcome.target), weights)
        # Around the mean of all rows, so that large numbers with a small spread keep their digits.
        centre = outcome.target.mean(axis=0)
        variance = _mean(np.square(outcome.target - centre), weights) - np.square(mean - centre)
        varies = variance > np.maximum(_NOTHING * square, np.finfo(np.float64).tiny)
        found = np.where(varies, 1.0 - np.divide(error, variance, out=np.ones_like(error), where=varies), 0.0)
        return np.asarray(found.mean(axis=1))


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(rows, names) values and (resamples, rows) weights -> (resamples, names)."""
    return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True))
