"""Weighted counts behind precision, recall and F1, for many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Counts:
    """Per resample and label, (resamples, labels) each. An item is a row, or a span in tasks that find spans."""

    hits: np.ndarray  # items that have the label and were given it
    predicted: np.ndarray  # items that were given the label
    support: np.ndarray  # items that have the label

    def precision(self) -> np.ndarray:
        """``hits / predicted``; 0 for a label that was never given."""
        return ratio(self.hits, self.predicted)

    def recall(self) -> np.ndarray:
        """``hits / support``; 0 for a label that no item has."""
        return ratio(self.hits, self.support)

    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall; 0 where both are."""
        return ratio(2 * self.hits, self.predicted + self.support)

    def occurs(self) -> np.ndarray:
        """Whether a label stands in the items at all, as truth or as prediction."""
        there: np.ndarray = (self.predicted + self.support) > 0
        return there


def count(target: csr_matrix, given: csr_matrix, weights: np.ndarray) -> Counts:
    """Counts of (rows, labels) indicators under ``weights`` (resamples, rows)."""
    hits = target.multiply(given).tocsr()
    return Counts(weights @ hits, weights @ given, weights @ target)


def one_hot(numbers: np.ndarray, labels: int) -> csr_matrix:
    """(rows,) class numbers as sparse (rows, labels) of 0 and 1: most entries are 0, which makes products cheap."""
    rows = len(numbers)
    return csr_matrix((np.ones(rows), numbers, np.arange(rows + 1)), shape=(rows, labels))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``, and 0 where ``below`` is 0, as scikit-learn's ``zero_division=0``."""
    quotient: np.ndarray = np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
    return quotient
