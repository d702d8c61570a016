import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dianji.evaluate.metrics.correlation import Pearson, Spearman
from dianji.evaluate.similar import Similarity
from dianji.evaluate.weighted import correlation, ranks

ONES = np.ones((1, 40))


def drawn(seed, rows=40):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 8, size=rows).astype(float), rng.integers(0, 8, size=rows).astype(float)


@given(st.integers(0, 50))
def test_without_weights_they_are_those_of_scipy(seed):
    one, other = drawn(seed)
    np.testing.assert_allclose(ranks(one, ONES)[0], stats.rankdata(one))
    found = Spearman()(Similarity((one / 10).astype(np.float32), other), ONES)[0]
    assert found == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    found = Pearson()(Similarity((one / 10).astype(np.float32), other), ONES)[0]
    assert found == pytest.approx(stats.pearsonr(one, other).statistic, abs=1e-6)


@given(st.integers(0, 50))
def test_a_weight_is_a_repeated_row(seed):
    one, other = drawn(seed)
    weights = np.random.default_rng(seed + 1).multinomial(40, np.full(40, 1 / 40), size=3).astype(float)
    for row in weights:
        chosen = np.repeat(np.arange(40), row.astype(int))
        expected = stats.spearmanr(one[chosen], other[chosen]).statistic
        outcome = Similarity((one / 10).astype(np.float32), other)
        assert Spearman()(outcome, row[None])[0] == pytest.approx(expected, abs=1e-12)
        np.testing.assert_allclose(ranks(one, row[None])[0][chosen], stats.rankdata(one[chosen]))


def test_nothing_correlates_with_a_constant():
    constant = np.full(40, 0.1)
    assert correlation(constant, drawn(0)[0], ONES).tolist() == [0.0]
    assert Spearman()(Similarity(np.full(40, 0.3, np.float32), drawn(0)[0]), ONES).tolist() == [0.0]


def test_a_sound_outcome_holds_cosines_and_finite_scores():
    assert not Similarity(np.array([0.5, -1.0], np.float32), np.array([1.0, 2.0])).check()
    assert Similarity(np.array([1.5], np.float32), np.array([1.0])).check() == ["a cosine is below -1 or above 1"]
    assert Similarity(np.array([0.5], np.float32), np.array([np.nan])).check() == ["a score is not a finite number"]


def test_breakdown_groups_by_score():
    found = Similarity(np.array([0.1, 0.3, 0.9], np.float32), np.array([0.0, 0.5, 5.0])).breakdown()
    assert [(name, rows) for name, rows, _ in found.groups] == [("0 – 1", 2), ("4 – 5", 1)]
    assert found.groups[0][2]["mean-cosine"] == pytest.approx(0.2)
