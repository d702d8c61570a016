from dataclasses import astuple

import numpy as np
import pytest

from dianji.errors import DataError, RecipeError
from dianji.evaluate import bootstrap
from dianji.evaluate.bootstrap import estimate, estimates, interval
from dianji.evaluate.labelled import Classified
from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.f1 import MacroF1
from dianji.testing import toys
from tests.evaluate.test_metrics import take

OUTCOME = toys.outcome(Classified, 0.3)


def test_equals_a_slow_bootstrap():
    """The oracle draws rows and measures each resample from scratch."""
    rng = np.random.Generator(np.random.PCG64(5))
    values = []
    for _ in range(300):
        drawn = take(OUTCOME, rng.integers(OUTCOME.rows, size=OUTCOME.rows))
        values.append(MacroF1()(drawn, np.ones((1, drawn.rows)))[0])
    found = estimate(MacroF1(), OUTCOME, resamples=300, seed=5)
    assert found.value == MacroF1()(OUTCOME, np.ones((1, OUTCOME.rows)))[0]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_covers_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(300):
        right = (rng.random(200) < 0.8).astype(np.float64)
        _, low, high = interval(right.__rmatmul__, 200, 400, seed)
        covered.append(low <= 200 * 0.8 <= high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_all_metrics_see_the_same_resamples():
    names = ("accuracy", "macro-f1", "log-loss")
    together = estimates(names, OUTCOME, 200, seed=3)
    assert tuple(together) == names
    assert together["accuracy"] == estimate(Accuracy(), OUTCOME, 200, seed=3)
    assert together["macro-f1"] == estimate(MacroF1(), OUTCOME, 200, seed=3)


def test_follows_from_the_seed():
    assert estimate(Accuracy(), OUTCOME, 200, 1) == estimate(Accuracy(), OUTCOME, 200, 1)
    draws = {estimates(["log-loss"], OUTCOME, 200, seed)["log-loss"].low for seed in range(5)}
    assert len(draws) == 5


def test_pieces_make_no_difference(monkeypatch):
    whole = estimates(["accuracy", "log-loss"], OUTCOME, 100, 0)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 7 * OUTCOME.rows)
    for name, found in estimates(whole, OUTCOME, 100, 0).items():
        assert astuple(found) == pytest.approx(astuple(whole[name]), rel=1e-12)


def test_many_rows_get_fewer_resamples(monkeypatch):
    counted = []

    def statistic(weights):
        counted.append(len(weights))
        return weights.sum(axis=1)

    monkeypatch.setattr(bootstrap, "MOST_DRAWS", 50 * 150)
    interval(statistic, 50, 1000, 0)
    assert sum(counted[1:]) == 150
    counted.clear()
    interval(statistic, 5000, 1000, 0)
    assert sum(counted[1:]) == 100


def test_one_row_has_an_interval_of_no_width():
    found = estimate(Accuracy(), toys.outcome(Classified, 1.0, rows=1), 100, 0)
    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 1)


def test_no_rows_are_an_error():
    with pytest.raises(DataError, match="no rows to measure on"):
        estimates(["accuracy"], toys.outcome(Classified, 1.0, rows=0), 100, 0)


def test_an_unknown_metric_is_named():
    with pytest.raises(RecipeError, match="Did you mean 'accuracy'"):
        estimates(["acuracy"], OUTCOME, 100, 0)


def test_no_metrics_give_nothing():
    assert estimates([], OUTCOME, 100, 0) == {}
