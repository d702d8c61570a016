"""The regression is scikit-learn's, its strength the one that held-out rows ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dianji.engine import logistic
from dianji.engine.logistic import CONVERGED, FeatureRows, Fitted, Problem, Tried, bases, fit_path


def rows(count: int, *, classes: int = 4, width: int = 6, noise: float = 1.0, seed: int = 0) -> FeatureRows:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, width)) * 2
    targets = np.arange(count) % classes
    features = centres[targets] + noise * rng.normal(size=(count, width)) * np.linspace(0.3, 3, width)
    return FeatureRows(features.astype(np.float32), targets)


@pytest.mark.parametrize("inverse_strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("part", [8192, 7])
def test_the_optimum_is_that_of_scikit_learn(inverse_strength, part, monkeypatch):
    monkeypatch.setattr(logistic, "ROWS", part)
    some = rows(60)
    oracle = LogisticRegression(C=inverse_strength, tol=1e-10, max_iter=10_000).fit(some.features, some.targets)
    found = Problem(some, 4).minimise(inverse_strength, None, CONVERGED[torch.float64], torch.float64)
    assert found.gradient < 1e-5
    expected = np.vstack([oracle.coef_.T, oracle.intercept_])
    expected -= expected.mean(axis=1, keepdims=True)  # what is the same for all classes says nothing
    weights = found.weights - found.weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=5e-3 * np.abs(expected).max())
    shares = oracle.predict_proba(some.features)
    logits = some.features @ found.weights[:-1] + found.weights[-1]
    mine = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(mine / mine.sum(axis=1, keepdims=True), shares, atol=2e-3)


@pytest.mark.parametrize("number", [0, 1])
def test_a_basis_is_undone_exactly(number):
    some = rows(40)
    basis = bases(some)[number]
    weights = np.random.default_rng(1).normal(size=(7, 4))
    there = basis.apply(some.features) @ weights[:-1] + weights[-1]
    back = basis.undo(weights)
    np.testing.assert_allclose(some.features @ back[:-1] + back[-1], there, atol=1e-4)


def test_whitened_rows_of_a_class_differ_alike_in_all_directions():
    some = rows(4000)
    white = bases(some)[1].apply(some.features)
    within = np.concatenate([white[some.targets == k] - white[some.targets == k].mean(axis=0) for k in range(4)])
    plain = np.concatenate(
        [some.features[some.targets == k] - some.features[some.targets == k].mean(0) for k in range(4)]
    )
    assert np.ptp(within.var(axis=0)) / within.var(axis=0).mean() < np.ptp(plain.var(axis=0)) / plain.var(axis=0).mean()


@pytest.mark.parametrize("held_out", [rows(40, seed=5), None], ids=["held out", "folds"])
def test_the_strength_is_the_best_of_the_path(held_out):
    *path, last = fit_path(rows(24, noise=2.0), held_out, 4)
    assert isinstance(last, Fitted)
    tried = [one for one in path if isinstance(one, Tried)]
    assert len(tried) == len(path)
    assert last.chosen == min(tried, key=lambda one: one.log_loss_at_temperature)
    assert {one.basis for one in tried} == {"plain", "whitened"}
    assert all(one.log_loss_at_temperature <= one.log_loss + 1e-9 for one in tried)
    assert last.weights.shape == (7, 4)
    assert last.passes >= last.iterations > sum(one.iterations for one in tried)


def test_folds_do_not_know_what_they_are_judged_on():
    """Features without meaning: whoever saw the held-out rows would seem to know their labels."""
    rng = np.random.default_rng(0)
    nothing = FeatureRows(rng.normal(size=(60, 30)).astype(np.float32), np.arange(60) % 4)
    tried = [one for one in fit_path(nothing, None, 4) if isinstance(one, Tried)]
    assert max(one.accuracy for one in tried) < 0.5


def test_odd_rows():
    one = FeatureRows(np.ones((1, 3), dtype=np.float32), np.array([2]))
    *_, alone = fit_path(one, None, 4)
    assert isinstance(alone, Fitted)
    assert np.isfinite(alone.weights).all()
    alike = FeatureRows(np.ones((6, 3), dtype=np.float32), np.array([0, 1, 0, 1, 0, 1]))
    *_, found = fit_path(alike, None, 3)  # one class is never seen
    assert isinstance(found, Fitted)
    assert np.isfinite(found.weights).all()
