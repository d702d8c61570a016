from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from dianji.data.findings import Findings
from dianji.errors import CapabilityError, DataError
from dianji.registry import from_record, record_of
from dianji.tasks.text_regression import TextRegression
from dianji.testing import toys


def fitted(**arguments):
    return TextRegression(numbers=("price",), **arguments).fit(toys.rated_table())


def test_numbers_are_scaled_inside_and_given_back_in_their_units():
    task = fitted()
    prices = np.array(toys.rated_table()["price"])
    assert task.means == (prices.mean(),)
    assert task.deviations == (prices.std(),)
    assert from_record("task", record_of(task)) == task
    examples = task.encode(toys.rated_table(), toys.text_base())
    scaled = task.answer.targets(examples).numpy()
    assert abs(scaled.mean()) < 1e-6
    assert abs(scaled.std() - 1) < 1e-5
    outcome = task.outcome({"logits": scaled}, examples)
    np.testing.assert_allclose(outcome.given, outcome.target, rtol=1e-6)
    assert task.predictions({"logits": scaled}, toys.rated_table(), toys.text_base())[0].to_json() == pytest.approx(
        {"price": 100.0}
    )


def test_several_numbers_are_named():
    task = TextRegression(numbers=("words", "price")).fit(toys.rated_table())
    given = task.predictions({"logits": np.zeros((1, 2), np.float32)}, toys.rated_table(), toys.text_base())
    assert given[0].to_json() == dict(zip(("words", "price"), task.means, strict=True))


def test_predictions_stay_inside_the_scale():
    task = fitted(scale=(100.0, 300.0))
    far = {"logits": np.array([[-9.0], [9.0]], np.float32)}
    assert [given.numbers["price"] for given in task.predictions(far, pa.table({}), toys.text_base())] == [100.0, 300.0]
    examples = task.encode(toys.rated_table().slice(0, 2), toys.text_base())
    assert task.outcome(far, examples).given.tolist() == [[100.0], [300.0]], "figures are not those of the predictions"


def test_numbers_outside_the_scale_are_refused_with_their_row():
    task, findings = TextRegression(numbers=("price",), scale=(100, 200)), Findings()
    table = toys.rated_table().append_column("__source__", [[f"a.csv, line {row + 2}" for row in range(24)]])
    task.check(table, findings)
    assert findings.count == 8
    assert findings.faults[0].startswith("a.csv, line 4: column 'price' is 300; expected a number from 100 to 200")
    with pytest.raises(DataError, match=r"a\.csv, line 4: column 'price' is 300"):
        task.fit(table)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    table = pa.table({"text": ["a", "b"], "score": [1.0, value]})
    with pytest.raises(DataError, match=r"row 2: column 'score' is .*; expected a finite number"):
        TextRegression().fit(table)


def test_a_missing_number_is_refused():
    with pytest.raises(DataError, match="row 2: column 'score' is null"):
        TextRegression().fit(pa.table({"text": ["a", "b"], "score": [1.0, None]}))


def test_numbers_that_do_not_differ_are_refused():
    with pytest.raises(DataError, match="column 'score' is 2 in all 2 rows"):
        TextRegression().fit(pa.table({"text": ["a", "b"], "score": [2.0, 2.0]}))


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"numbers": ()}, "found none"),
        ({"numbers": ("score", "score")}, "'score' is named twice"),
        ({"numbers": ("text",)}, "'text' is read as text"),
        ({"numbers": ("other",), "pair": True}, "'other' is read as text"),
        ({"scale": (5.0, 0.0)}, "lowest and the highest"),
        ({"means": (1.0,)}, "expected one for each of numbers"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments, fault):
    with pytest.raises(CapabilityError, match=fault):
        TextRegression(**arguments)


def test_the_size_of_numbers_does_not_decide_how_fast_they_are_learnt():
    """The loss of the same model is the same, whatever the unit."""
    table, base = toys.rated_table(), toys.text_base()
    large = table.set_column(2, "price", [[1e6 * price + 5e6 for price in table["price"].to_pylist()]])
    losses = []
    for rows in (table, large):
        task = TextRegression(numbers=("price",)).fit(rows)
        torch.manual_seed(0)
        model = task.model(base).model
        batch = task.collate(task.encode(rows, base), base, np.random.default_rng(0), purpose="score")
        losses.append(task.loss(model, batch).value.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_baselines_suit_the_answer():
    assert TextRegression().baselines == ("mean-number", "tfidf-ridge")
    assert TextRegression(pair=True).baselines == ("mean-number", "tfidf-ridge")
