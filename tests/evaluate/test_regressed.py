from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.regressed import Regressed
from dianji.testing import toys


def of(truth, given, deviation=1.0):
    return Regressed(("score",), np.array(truth)[:, None], np.array(given)[:, None], (deviation,))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_metrics_are_those_of_scipy_and_scikit_learn(offset):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50).round(1)
    given = (truth + rng.normal(size=50)).round(1)
    found = estimates(("pearson", "spearman", "mae", "rmse", "r2"), of(truth + offset, given + offset), 100, 0)
    expected = {
        "pearson": pearsonr(truth, given)[0],
        "spearman": spearmanr(truth, given)[0],
        "mae": mean_absolute_error(truth, given),
        "rmse": root_mean_squared_error(truth, given),
        "r2": r2_score(truth, given),
    }
    assert {name: of.value for name, of in found.items()} == pytest.approx(expected, rel=1e-6)


def test_a_truth_that_does_not_vary_explains_nothing():
    found = estimates(("r2", "pearson"), of([2.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]), 50, 0)
    assert [estimate.value for estimate in found.values()] == [0.0, 0.0]


def test_values_that_are_not_finite_are_told():
    assert of([1.0, 2.0], [1.0, float("nan")]).check() == ["given: a number is not finite"]
    assert of([1.0, 2.0], [1.0, 3.0]).check() == []
    wide = Regressed(("a", "b"), np.zeros((2, 1)), np.zeros((2, 2)), (1.0, 1.0))
    assert wide.check() == ["target: expected 2 numbers per row, found [1]"]


def test_distance_is_in_deviations():
    outcome = of([0.0, 1000.0], [0.0, 1000.0], deviation=500.0)
    assert outcome.distance(of([0.0, 1000.0], [5.0, 1000.0], 500.0)).tolist() == [0.01, 0.0]
    assert outcome.distance(of([0.0, 1000.0], [float("nan"), 1000.0], 500.0))[0] == np.inf


def test_errors_and_words():
    outcome = of([1.0, 2.0], [1.5, 2.0], deviation=0.25)
    assert outcome.errors().tolist() == [2.0, 0.0]
    assert outcome.describe(0) == ("1", "1.5")
    assert toys.outcome(Regressed, 0.5).describe(0).true.startswith("score ")
