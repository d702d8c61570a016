from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.evaluate.confident import joint, likely_errors, ranking

#: Ten rows worked out by hand. Labels: five 0, five 1; row 4 says 0 and is surely 1, row 9 says 1 and is surely 0.
LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
FIRST = np.array([0.9, 0.8, 0.9, 0.6, 0.1, 0.2, 0.1, 0.25, 0.1, 0.8])
PROBABILITIES = np.stack([FIRST, 1 - FIRST], axis=1)
# Thresholds: class 0 = (0.9 + 0.8 + 0.9 + 0.6 + 0.1) / 5 = 0.66; class 1 = (0.8 + 0.9 + 0.75 + 0.9 + 0.2) / 5 = 0.71.
# Confident: of label 0 rows 0, 1, 2 of class 0, row 4 of class 1, row 3 (0.6, 0.4) of none;
#            of label 1 rows 5, 6, 7, 8 of class 1, row 9 of class 0.
# Counts [[3, 1], [1, 4]], scaled to five rows each: [[3.75, 1.25], [1, 4]].


def test_the_joint_of_the_worked_example():
    assert joint(LABELS, PROBABILITIES) == pytest.approx(np.array([[3.75, 1.25], [1.0, 4.0]]))


def test_the_errors_of_the_worked_example():
    assert likely_errors(LABELS, PROBABILITIES).tolist() == [4, 9]  # margins 0.8 and 0.6


def test_the_ranking_of_the_worked_example():
    assert ranking(LABELS, PROBABILITIES)[:3].tolist() == [4, 9, 3]


def slow_counts(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The definition, row by row."""
    classes = probabilities.shape[1]
    thresholds = [probabilities[labels == label, label].mean() for label in range(classes)]
    counts = np.zeros((classes, classes))
    for label, row in zip(labels, probabilities, strict=True):
        reached = [true for true in range(classes) if row[true] >= thresholds[true]]
        if reached:
            counts[label, max(reached, key=lambda true: row[true])] += 1
    return counts


@given(st.integers(2, 5), st.integers(0, 1000))
def test_the_joint_is_the_definition_scaled_to_the_labels(classes, seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 40)])
    probabilities = rng.dirichlet(np.ones(classes), size=len(labels))
    counts, found = slow_counts(labels, probabilities), joint(labels, probabilities)
    assert found.sum() == pytest.approx(len(labels))
    assert found.sum(axis=1) == pytest.approx(np.bincount(labels))
    for label in np.flatnonzero(counts.sum(axis=1)):
        assert found[label] / found[label].sum() == pytest.approx(counts[label] / counts[label].sum())
    assert set(likely_errors(labels, probabilities)) <= set(np.flatnonzero(probabilities.argmax(axis=1) != labels))


def test_right_labels_are_left_alone():
    labels = np.arange(30) % 3
    sure = 0.9 * np.eye(3)[labels] + 0.1 / 3
    assert likely_errors(labels, sure).tolist() == []
    assert np.trace(joint(labels, sure)) == pytest.approx(30)


def test_swapped_labels_are_found():
    true = np.arange(300) % 3
    rng = np.random.default_rng(1)
    probabilities = 0.8 * np.eye(3)[true] + 0.2 * rng.dirichlet(np.ones(3), size=300)
    given_ = true.copy()
    given_[:15] = (true[:15] + 1) % 3
    found = likely_errors(given_, probabilities).tolist()
    assert set(found) <= set(range(15))
    assert len(found) >= 13  # as many are taken as the joint estimates, which is not exact


def test_a_mean_rounded_up_hides_no_error():
    """The mean of equal probabilities is a little above them here, so that only their neighbourhood reaches it."""
    truth, labels = np.arange(60) % 3, np.arange(60) % 3
    labels[[3, 17]] = (truth[[3, 17]] + 1) % 3
    equal = np.where(np.eye(3, dtype=bool)[truth], np.float32(0.94), np.float32(0.03)).astype(np.float64)
    assert sorted(likely_errors(labels, equal)) == [3, 17]
