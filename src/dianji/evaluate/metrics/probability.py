"""Metrics of the probabilities themselves: how much is paid for them, and whether they can be taken at their word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

#: Probabilities are kept this far from 0 and 1, as scikit-learn does for float32, so that no single row costs infinity.
EPSILON = float(np.finfo(np.float32).eps)


@component("metric", "log-loss")
@dataclass(frozen=True)
class LogLoss:
    """Mean negative log-likelihood of the truth, in nats; with several labels the mean over all yes-or-no decisions."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        probabilities = outcome.probabilities.astype(np.float64)
        if isinstance(outcome, Tagged):
            truth = np.where(outcome.target, probabilities, 1 - probabilities)
        else:
            truth = probabilities[np.arange(outcome.rows), outcome.target, None]
        cost = -np.log(np.clip(truth, EPSILON, 1 - EPSILON)).mean(axis=1)
        values: np.ndarray = weights @ cost / weights.sum(axis=1)
        return values


@component("metric", "expected-calibration-error")
@dataclass(frozen=True)
class ExpectedCalibrationError:
    """How far confidence is from accuracy, over 15 bins of equal width (Guo et al., 2017, arXiv:1706.04599).

    A row's confidence is its largest probability; with several labels every yes-or-no decision has its own. The
    estimate is never below the truth by much and often above it, most of all on few rows; so are its resamples, which
    is why the interval of a well calibrated model lies to the right of the value.
    """

    BINS: ClassVar[int] = 15

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Classified | Tagged, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        confidence, right = outcome.decisions()
        rows, each = confidence.shape
        bins = bins_of(confidence, self.BINS)
        gaps = csr_matrix(
            ((right - confidence).ravel(), bins.ravel(), np.arange(0, rows * each + 1, each)),
            shape=(rows, self.BINS),
        )
        values: np.ndarray = np.abs(weights @ gaps).sum(axis=1) / (weights.sum(axis=1) * each)
        return values


def bins_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The number of its bin for each confidence; open on the left, closed on the right, as in Guo et al.'s code."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))
