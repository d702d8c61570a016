import json

import numpy as np
import pytest
from sklearn import metrics as theirs

from dianji.errors import DataError
from dianji.evaluate.classes import per_class
from dianji.evaluate.labelled import Classified, Tagged
from dianji.testing import toys


def test_equals_scikit_learn_for_one_label():
    outcome = toys.outcome(Classified, 0.3)
    said = outcome.probabilities.argmax(axis=1)
    found = per_class(outcome, 200, 0)
    expected = theirs.precision_recall_fscore_support(outcome.target, said, zero_division=0)
    for number, label in enumerate(outcome.labels):
        figures = found["labels"][label]
        values = [figures[name]["value"] for name in ("precision", "recall", "f1")]
        assert values == pytest.approx([column[number] for column in expected[:3]])
        assert {figure["n"] for figure in figures.values()} == {expected[3][number]}
        assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures.values())
    assert found["confusion"] == theirs.confusion_matrix(outcome.target, said).tolist()


def test_equals_scikit_learn_for_several_labels():
    outcome = toys.outcome(Tagged, 0.3)
    said = outcome.probabilities >= outcome.threshold
    found = per_class(outcome, 200, 0)
    expected = theirs.precision_recall_fscore_support(outcome.target, said, zero_division=0)
    for number, label in enumerate(outcome.labels):
        values = [found["labels"][label][name]["value"] for name in ("precision", "recall", "f1")]
        assert values == pytest.approx([column[number] for column in expected[:3]])
    assert found["confusion"] == theirs.multilabel_confusion_matrix(outcome.target, said).tolist()


def test_labels_that_are_never_said_or_never_there_have_zeros():
    probabilities = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    found = per_class(Classified(("a", "b", "c"), np.array([0, 0, 2, 0]), probabilities), 100, 0)
    assert found["labels"]["c"]["precision"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 1}
    assert found["labels"]["b"]["recall"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    assert found["confusion"] == [[2, 1, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("kind", [Classified, Tagged])
def test_is_plain_values(kind):
    found = per_class(toys.outcome(kind, 0.5), 100, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_no_rows_are_an_error():
    with pytest.raises(DataError, match="no rows"):
        per_class(toys.outcome(Classified, 1.0, rows=0), 100, 0)
