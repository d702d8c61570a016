"""Every metric against scikit-learn, or a loop, on resamples written out row by row."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn import metrics as theirs

from dianji.errors import DataError
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.metric import Metric
from dianji.evaluate.metrics.accuracy import Accuracy
from dianji.evaluate.metrics.f1 import MacroF1, MicroF1, WeightedF1
from dianji.evaluate.metrics.language import Perplexity, TokenAccuracy
from dianji.evaluate.metrics.probability import ExpectedCalibrationError, LogLoss
from dianji.evaluate.modelled import Modelled

F1: dict[str, Metric] = {"macro": MacroF1(), "micro": MicroF1(), "weighted": WeightedF1()}


def take(outcome, rows):
    """The outcome of the chosen rows."""
    values = {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in vars(outcome).items()}
    return type(outcome)(**values)


def plain(metric, outcome):
    return float(metric(outcome, np.ones((1, outcome.rows)))[0])


@some.composite
def classified(draw):
    rows, labels = draw(some.integers(1, 12)), draw(some.integers(2, 5))
    rng = np.random.default_rng(draw(some.integers(0, 2**32 - 1)))
    probabilities = rng.dirichlet(np.ones(labels), size=rows).astype(np.float32)
    return Classified(tuple(f"label {n}" for n in range(labels)), rng.integers(labels, size=rows), probabilities)


@some.composite
def tagged(draw):
    rows, labels = draw(some.integers(1, 12)), draw(some.integers(2, 5))
    rng = np.random.default_rng(draw(some.integers(0, 2**32 - 1)))
    target = rng.random((rows, labels)) < draw(some.floats(0, 1))
    names = tuple(f"label {n}" for n in range(labels))
    return Tagged(names, target, rng.random((rows, labels)).astype(np.float32), draw(some.sampled_from([0.3, 0.5])))


@given(classified())
def test_accuracy_and_f1_of_one_label(outcome):
    said = outcome.probabilities.argmax(axis=1)
    assert plain(Accuracy(), outcome) == pytest.approx(theirs.accuracy_score(outcome.target, said))
    for average, metric in F1.items():
        assert plain(metric, outcome) == pytest.approx(theirs.f1_score(outcome.target, said, average=average))


@given(tagged())
def test_accuracy_and_f1_of_several_labels(outcome):
    said = outcome.probabilities >= outcome.threshold
    assert plain(Accuracy(), outcome) == pytest.approx(theirs.accuracy_score(outcome.target, said))
    occurring = np.flatnonzero((outcome.target | said).any(axis=0))
    for average, metric in F1.items():
        expected = 0.0
        if len(occurring):
            expected = theirs.f1_score(outcome.target, said, average=average, labels=occurring, zero_division=0)
        assert plain(metric, outcome) == pytest.approx(expected)


@given(classified())
def test_log_loss_of_one_label(outcome):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows of float32 do not sum to one exactly
        expected = theirs.log_loss(outcome.target, outcome.probabilities, labels=np.arange(len(outcome.labels)))
    assert plain(LogLoss(), outcome) == pytest.approx(expected, rel=1e-5)


@given(tagged())
def test_log_loss_of_several_labels(outcome):
    costs = [
        theirs.log_loss(target, probability.astype(np.float64), labels=[0, 1])
        for target, probability in zip(outcome.target.ravel(), outcome.probabilities.ravel(), strict=True)
        for target, probability in [([int(target)], np.array([probability]))]
    ]
    assert plain(LogLoss(), outcome) == pytest.approx(np.mean(costs), rel=1e-4)


def test_log_loss_of_certain_error_is_large_but_finite():
    outcome = Classified(("a", "b"), np.array([0]), np.array([[0.0, 1.0]], dtype=np.float32))
    assert plain(LogLoss(), outcome) == pytest.approx(-np.log(np.finfo(np.float32).eps))


def calibration_error(confidence, right):
    """Guo et al. word for word: 15 bins, each open on the left."""
    total = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@given(classified())
def test_calibration_error_of_one_label(outcome):
    confidence = outcome.probabilities.max(axis=1).astype(np.float64)
    right = outcome.probabilities.argmax(axis=1) == outcome.target
    found = plain(ExpectedCalibrationError(), outcome)
    assert found == pytest.approx(calibration_error(confidence, right), abs=1e-9)


@given(tagged())
def test_calibration_error_of_several_labels(outcome):
    probabilities = outcome.probabilities.astype(np.float64)
    said = probabilities >= outcome.threshold
    confidence = np.where(said, probabilities, 1 - probabilities).ravel()
    found = plain(ExpectedCalibrationError(), outcome)
    assert found == pytest.approx(calibration_error(confidence, (said == outcome.target).ravel()), abs=1e-9)


def test_calibration_error_of_a_known_case():
    probabilities = np.tile(np.array([[0.8, 0.2]], dtype=np.float32), (10, 1))
    target = np.array([0] * 5 + [1] * 5)
    assert plain(ExpectedCalibrationError(), Classified(("a", "b"), target, probabilities)) == pytest.approx(0.3)


def test_language_metrics_are_per_token():
    outcome = Modelled(np.array([2.0, 9.0]), np.array([1, 9]), np.array([1, 3]))
    assert plain(Perplexity(), outcome) == pytest.approx(np.exp(11.0 / 10))
    assert plain(TokenAccuracy(), outcome) == pytest.approx(0.4)
    weights = np.array([[2.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(Perplexity()(outcome, weights), [np.exp(2.0), np.exp(1.0)])
    np.testing.assert_allclose(TokenAccuracy()(outcome, weights), [1.0, 1 / 3])


def test_a_hopeless_model_has_a_finite_perplexity():
    outcome = Modelled(np.array([5000.0]), np.array([1]), np.array([0]))
    assert np.isfinite(plain(Perplexity(), outcome))


def test_texts_without_tokens_have_no_perplexity():
    outcome = Modelled(np.zeros(3), np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))
    with pytest.raises(DataError, match="none of the 3 rows has a token to predict"):
        plain(Perplexity(), outcome)


@given(classified(), some.integers(0, 100))
def test_weights_stand_for_repeated_rows(outcome, seed):
    weights = np.random.default_rng(seed).multinomial(outcome.rows, np.full(outcome.rows, 1 / outcome.rows))
    repeated = take(outcome, np.repeat(np.arange(outcome.rows), weights))
    metrics: list[Metric] = [Accuracy(), *F1.values(), LogLoss(), ExpectedCalibrationError()]
    for metric in metrics:
        assert metric(outcome, weights[None].astype(float))[0] == pytest.approx(plain(metric, repeated), abs=1e-9)
