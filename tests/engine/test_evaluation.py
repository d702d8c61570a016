"""A model over a whole split: rows keep their order, and what else is in the batch does not matter."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import pytest
import torch

from dianji.bases.base import Base
from dianji.engine import evaluation
from dianji.engine.batches import Size
from dianji.engine.evaluation import Evaluator, metric, values
from dianji.errors import RecipeError
from dianji.evaluate.labelled import Classified
from dianji.reporting import Silent

NO_BASE = cast(Base, None)  # the toy task needs none


@pytest.fixture
def model(toy_model):
    return toy_model(0.5)


def probabilities(task, model, examples):
    return Evaluator(task, model, NO_BASE, 7).outputs(examples, "score")["probabilities"]


def test_rows_keep_their_order(toy_task, model, examples):
    table = examples(600, 1)
    assert Evaluator(toy_task, model, NO_BASE, 7).outputs(table, "score")["row"].tolist() == list(range(600))


@pytest.mark.parametrize("tokens", [8, 64, 100_000])
def test_what_else_is_in_the_batch_does_not_matter(toy_task, model, examples, monkeypatch, tokens):
    table = examples(60, 1)
    alone = np.concatenate([probabilities(toy_task, model, table.slice(row, 1)) for row in range(60)])
    monkeypatch.setitem(evaluation.TOKENS, "cpu", tokens)
    np.testing.assert_allclose(probabilities(toy_task, model, table), alone, rtol=0, atol=1e-6)


def test_the_order_of_the_rows_does_not_matter(toy_task, model, examples):
    table, turned = examples(60, 1), np.random.default_rng(0).permutation(60)
    there = probabilities(toy_task, model, table.take(pa.array(turned)))
    np.testing.assert_allclose(there, probabilities(toy_task, model, table)[turned], rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_in_its_mode_also_after_an_error(toy_task, model, examples, training):
    model.train(training)
    Evaluator(toy_task, model, NO_BASE, 7).outputs(examples(5, 1), "score")
    assert model.training is training
    with pytest.raises(IndexError):
        Evaluator(toy_task, model, NO_BASE, 7).outputs(
            examples(5, 1).set_column(2, "ids", pa.array([[99]] * 5)), "score"
        )
    assert model.training is training


def test_there_is_no_dropout_and_no_global_randomness(toy_task, model, examples):
    model.train()
    torch.manual_seed(0)
    one = probabilities(toy_task, model, examples(20, 1))
    state = torch.get_rng_state()
    other = probabilities(toy_task, model, examples(20, 1))
    assert (one == other).all()
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_of_one_length_are_batched_by_number(toy_task, model, examples, monkeypatch):
    sizes = []

    def one_batch(lengths, size):
        sizes.append(size)
        return [np.arange(len(lengths))]

    table = examples(40, 1).set_column(1, "length", pa.array(np.ones(40, dtype=np.int32)))
    monkeypatch.setattr(evaluation, "in_order", one_batch)
    Evaluator(toy_task, model, NO_BASE, 7).outputs(table, "score")
    assert sizes == [Size(examples=evaluation.EXAMPLES)]


def test_the_meter_counts_rows(toy_task, model, examples):
    class Counting(Silent):
        seen = 0

        def advance(self, amount: int = 1, **figures: float) -> None:
            self.seen += amount

    meter = Counting()
    Evaluator(toy_task, model, NO_BASE, 7).outputs(examples(33, 1), "score", meter)
    assert meter.seen == 33


def test_plain_values_of_metrics():
    outcome = Classified(("a", "b"), np.array([0, 1, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]]))
    assert values(outcome, ["accuracy"]) == {"accuracy": 0.75}


def test_an_unknown_metric_is_told():
    with pytest.raises(RecipeError, match="Did you mean 'accuracy'"):
        metric("acuracy")
