"""Confident learning: which labels are probably wrong (Northcutt, Jiang & Chuang, 2021, arXiv:1911.00068).

All that is needed are the labels as they are given and, for each row, probabilities by a model that has not learnt from
that row. A row counts as *confidently* of a class if its probability reaches the class's threshold: the mean
probability of the class among the rows that carry it. Rows of one label that are confidently of another estimate how
often that label stands for that other.
"""

from __future__ import annotations

import numpy as np

#: A mean of equal probabilities may come out a little above them; a row so little below a threshold reaches it.
_ROUNDING = 1e-6


def joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Estimated rows by given label and true label, (classes, classes) float64; it sums to the number of rows.

    Args:
        labels: (rows,) int64 class numbers; every class occurs.
        probabilities: (rows, classes), out of fold.
    """
    counts = _confident(labels, probabilities)
    given = np.bincount(labels, minlength=len(counts))
    # A label none of whose rows is confidently anything is taken as right.
    counts[np.diag_indices_from(counts)] += counts.sum(axis=1) == 0
    scaled = counts * (given / counts.sum(axis=1))[:, None]
    return np.asarray(scaled * (len(labels) / scaled.sum()))


def likely_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Positions of the rows whose label is probably wrong, the likeliest first (pruning by noise rate).

    Of the rows of each label as many are taken for each other class as ``joint`` estimates there are: those with the
    largest margin of that class over the label. Rows for which the model itself prefers the given label stay out.
    """
    expected = np.round(joint(labels, probabilities)).astype(np.int64)
    wrong = np.zeros(len(labels), dtype=bool)
    for given, true in np.argwhere((expected > 0) & ~np.eye(len(expected), dtype=bool)):
        rows = np.flatnonzero(labels == given)
        margin = probabilities[rows, true] - probabilities[rows, given]
        wrong[rows[np.argsort(-margin, kind="stable")[: expected[given, true]]]] = True
    wrong &= probabilities.argmax(axis=1) != labels
    ranked = ranking(labels, probabilities)
    return np.asarray(ranked[wrong[ranked]])


def ranking(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """All rows by how far the label's probability lies below the largest other one, the farthest first."""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    return np.argsort(probabilities[rows, labels] - others.max(axis=1), kind="stable")


def _confident(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows by given label and confident class, as counts."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    thresholds = np.bincount(labels, weights=own, minlength=classes) / np.bincount(labels, minlength=classes)
    reached = np.where(probabilities >= thresholds - _ROUNDING, probabilities, -1.0)
    sure = reached.max(axis=1) >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[sure], reached[sure].argmax(axis=1)), 1.0)
    return counts
