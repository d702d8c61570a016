"""Weighted counts of a classification: what precision, recall and F1 are made of, for many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from dianji.evaluate.outcome import Classified, Tagged


@dataclass(frozen=True)
class Counts:
    """Per resample and label, (resamples, labels) each."""

    hits: np.ndarray  # rows that have the label and were given it
    predicted: np.ndarray  # rows that were given the label
    support: np.ndarray  # rows that have the label

    def precision(self) -> np.ndarray:
        """``hits / predicted``; 0 for a label that was never given."""
        return ratio(self.hits, self.predicted)

    def recall(self) -> np.ndarray:
        """``hits / support``; 0 for a label that no row has."""
        return ratio(self.hits, self.support)

    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall; 0 where both are."""
        return ratio(2 * self.hits, self.predicted + self.support)

    def occurs(self) -> np.ndarray:
        """Whether a label stands in the rows at all, as truth or as prediction."""
        there: np.ndarray = (self.predicted + self.support) > 0
        return there


def count(outcome: Classified | Tagged, weights: np.ndarray) -> Counts:
    """Counts under ``weights`` (resamples, rows)."""
    target, given = indicators(outcome)
    hits = target.multiply(given).tocsr()
    return Counts(weights @ hits, weights @ given, weights @ target)


def indicators(outcome: Classified | Tagged) -> tuple[csr_matrix, csr_matrix]:
    """Truth and prediction as sparse (rows, labels) of 0 and 1: most entries are 0, which makes the products cheap."""
    target, given = outcome.target, decide(outcome)
    if isinstance(outcome, Tagged):
        return csr_matrix(target, dtype=np.float64), csr_matrix(given, dtype=np.float64)
    return _one_hot(target, len(outcome.labels)), _one_hot(given, len(outcome.labels))


def decide(outcome: Classified | Tagged) -> np.ndarray:
    """(rows,) int64: the most likely label; (rows, labels) bool for several labels: those of at least the threshold."""
    if isinstance(outcome, Tagged):
        return outcome.probabilities >= outcome.threshold
    return np.asarray(outcome.probabilities.argmax(axis=1), dtype=np.int64)


def right(outcome: Classified | Tagged) -> np.ndarray:
    """(rows,) bool: the label is right; for several labels, all of them are."""
    found: np.ndarray = decide(outcome) == outcome.target
    return np.all(found, axis=1) if isinstance(outcome, Tagged) else found


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``, and 0 where ``below`` is 0, as scikit-learn's ``zero_division=0``."""
    quotient: np.ndarray = np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
    return quotient


def _one_hot(numbers: np.ndarray, labels: int) -> csr_matrix:
    rows = len(numbers)
    return csr_matrix((np.ones(rows), numbers, np.arange(rows + 1)), shape=(rows, labels))
