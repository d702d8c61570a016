"""Paired tests against slow oracles."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dianji.evaluate import paired
from dianji.evaluate.paired import LEAST_ROWS, exact, holm, resampled, verdict


def answers(seed: int, seeds: int, rows: int, chance: float) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, rows)) < chance


@given(seed=st.integers(0, 1000), rows=st.integers(0, 200), chance=st.floats(0.0, 1.0))
def test_with_one_seed_it_is_mcnemars_exact_test(seed, rows, chance):
    first, second = answers(seed, 1, rows, 0.5), answers(seed + 1, 1, rows, chance)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    expected = binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert exact(first, second) == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 1000), seeds=st.integers(1, 3), rows=st.integers(0, 8), chance=st.floats(0.0, 1.0))
def test_with_several_seeds_it_counts_all_signs_of_all_rows(seed, seeds, rows, chance):
    first, second = answers(seed, seeds, rows, 0.5), answers(seed + 1, seeds, rows, chance)
    difference = second.sum(axis=0, dtype=int) - first.sum(axis=0, dtype=int)
    sums = [abs(int(np.dot(signs, difference))) for signs in product([-1, 1], repeat=rows)]
    expected = np.mean([found >= abs(int(difference.sum())) for found in sums])
    assert exact(first, second) == pytest.approx(expected, rel=1e-9)


def test_does_not_depend_on_who_comes_first():
    first, second = answers(1, 3, 300, 0.6), answers(2, 3, 300, 0.7)
    assert exact(first, second) == pytest.approx(exact(second, first))
    assert exact(first, second) < 0.01
    assert exact(first, first) == 1.0


def test_many_rows_of_large_differences_stay_a_probability():
    nothing, everything = np.zeros((5, 4000), dtype=bool), np.ones((5, 4000), dtype=bool)
    assert 0.0 <= exact(nothing, everything) < 1e-300


def test_very_many_rows_take_the_quick_way(monkeypatch):
    first, second = answers(1, 3, 2000, 0.60), answers(2, 3, 2000, 0.62)
    slow = exact(first, second)
    monkeypatch.setattr(np, "convolve", lambda *arrays: pytest.fail("not the quick way"))
    monkeypatch.setattr(paired, "QUICKLY", 0)
    assert exact(first, second) == pytest.approx(slow, rel=1e-9)


def test_errs_five_times_in_a_hundred_at_most():
    found = [exact(answers(2 * i, 3, 200, 0.8), answers(2 * i + 1, 3, 200, 0.8)) < 0.05 for i in range(400)]
    assert 0.01 <= np.mean(found) <= 0.075


def test_resampled_differences():
    assert resampled(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert resampled(np.full(999, -0.1)) == pytest.approx(2 / 1000)
    assert resampled(np.zeros(999)) == 1.0
    assert resampled(np.array([1.0] * 95 + [-1.0] * 4)) == pytest.approx(2 * 5 / 100)


def test_holm_by_hand():
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 -> held at 0.06, 0.5 x 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_step_down_procedure(values):
    """The oracle rejects the smallest p as long as it is below alpha over the number that is left."""
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
            if values[place] * (len(values) - rank) > alpha:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(holm(values)) if p <= alpha} == rejected


@pytest.mark.parametrize(
    ("gain", "p", "rows", "expected"),
    [
        (0.1, 0.01, 100, "better"),
        (-0.1, 0.01, 100, "worse"),
        (0.1, 0.05, 100, "not distinguishable"),
        (0.0, 0.01, 100, "not distinguishable"),
        (0.1, 0.01, LEAST_ROWS, "better"),
        (0.1, 0.01, LEAST_ROWS - 1, "no verdict"),
    ],
)
def test_verdicts(gain, p, rows, expected):
    assert verdict(gain, p, rows) == expected
