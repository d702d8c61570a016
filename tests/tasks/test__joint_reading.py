"""Parts that read the same rows: one pass of the trunk, and the loss and gradients of two."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from dianji.data.source import SOURCE
from dianji.tasks._joint_reading import read_once, units, with_same_inputs
from dianji.tasks.joint import Joint, joint_table
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.tasks.text_regression import TextRegression
from dianji.testing import toys

RNG = np.random.default_rng(0)


def both(*, same: bool = True) -> tuple[Joint, pa.Table]:
    """Labels and spans of the same texts, or of other ones; not fitted."""
    texts = toys.text_table()
    sources = [f"line {row}" for row in range(texts.num_rows)]
    read = texts["text"].to_pylist()
    spans = [[{"start": 0, "end": len(text.split()[0]), "label": "FIRST"}] for text in read]
    other = read if same else [f"{text} again" for text in read]
    tables = {
        "label": texts.append_column(SOURCE, [sources]),
        "first": pa.table({"text": other, "spans": spans, SOURCE: sources}),
    }
    tasks = {"label": TextClassification(), "first": SequenceTagging()}
    return Joint.of(tasks, {"label": 1.0, "first": 0.5}), joint_table(tables)


def made(joint: Joint, table: pa.Table):
    base, task = toys.text_base(), joint.fit(table)
    torch.manual_seed(0)
    model = task.model(base).model
    model.eval()  # no dropout: two passes give what one gives
    return task, model, task.encode(table, base), base


def test_examples_with_the_same_tokens_are_one_unit():
    task, _, examples, _ = made(*both())
    numbers = task.units(examples)
    assert numbers is not None
    _, counts = np.unique(numbers, return_counts=True)
    assert counts.tolist() == [2] * 24
    for unit in np.unique(numbers):
        parts = examples.take(pa.array(np.flatnonzero(numbers == unit)))["__part__"].to_pylist()
        assert sorted(parts) == ["first", "label"]
    task, _, examples, _ = made(*both(same=False))
    assert task.units(examples) is None


def test_equal_examples_of_one_part_are_units_of_their_own():
    tokens = pa.chunked_array([pa.array([[1, 2], [1, 2], [3]], pa.large_list(pa.int32()))])
    columns = {"one": tokens, "two": tokens.slice(0, 2)}
    found = units(columns, {"one": np.array([0, 1, 2]), "two": np.array([3, 4])}, 5)
    assert found is not None
    assert found.tolist() == [0, 1, 2, 0, 1]


def test_parts_that_are_drawn_by_temperature_have_no_units():
    joint, table = both()
    task = Joint.of(joint.tasks, {"label": 1.0, "first": 1.0}, temperature=2.0)
    task, _, examples, _ = made(task, table)
    assert task.units(examples) is None


@pytest.mark.parametrize("same", [True, False])
def test_the_loss_and_its_gradients_are_those_of_a_pass_for_each_part(same):
    task, model, examples, base = made(*both(same=same))
    batch = task.collate(examples, base, RNG, purpose="train")
    passes: list[int] = []
    model.backbone.embeddings.register_forward_hook(lambda *_: passes.append(1))
    loss = task.loss(model, batch)
    loss.value.backward()
    assert len(passes) == (1 if same else 2)
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()

    expected = torch.zeros(())
    for name, weight in (("label", 1.0), ("first", 0.5)):
        scale = task.parts[name].scale
        expected = expected + 24 * weight / scale * task.tasks[name].loss(model.parts[name], batch[name]).value
    (expected / 48).backward()
    torch.testing.assert_close(loss.value, expected / 48)
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(found[name], weight.grad, msg=name)


def test_a_call_with_other_tensors_is_another_pass():
    task, model, examples, base = made(*both())
    batch = task.collate(examples, base, RNG, purpose="train")["label"]
    copy = {name: value.clone() for name, value in batch.items()}
    with read_once(model.backbone):
        first = model.backbone(batch["input_ids"], attention_mask=batch["attention_mask"], return_dict=True)
        again = model.backbone(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        other = model.backbone(input_ids=copy["input_ids"], attention_mask=copy["attention_mask"])
        hidden = model.backbone(**{k: copy[k] for k in ("input_ids", "attention_mask")}, output_hidden_states=True)
    assert again is first
    assert other is not first
    assert hidden.hidden_states is not None
    assert "forward" not in vars(model.backbone)


def test_parts_with_equal_inputs_hold_the_same_tensors():
    task, _, examples, base = made(*both())
    batch = with_same_inputs(task.collate(examples, base, RNG, purpose="train"), task.tasks)
    assert batch["label"]["input_ids"] is batch["first"]["input_ids"]
    assert batch["label"]["labels"] is not batch["first"]["labels"]
    assert batch["__sizes__"] == {"label": 24, "first": 24}


def test_losses_are_divided_by_those_of_constant_answers():
    task, _, _, _ = made(*both())
    rows = toys.text_table()
    labels = np.unique(rows["label"].to_pylist(), return_counts=True)[1] / rows.num_rows
    assert task.parts["label"].scale == pytest.approx(-(labels * np.log(labels)).sum())
    words = sum(len(text.split()) for text in rows["text"].to_pylist())
    first = 24 / words
    assert task.parts["first"].scale == pytest.approx(-(first * np.log(first) + (1 - first) * np.log(1 - first)))
    rated = pa.table({"text": ["a", "b", "c"], "score": [1.0, 2.0, 6.0]})
    assert TextRegression().fit(rated).constant_loss(rated) == pytest.approx(1.0)
    several = TextClassification(several=True)
    moods = pa.table({"text": ["a", "b", "c", "d"], "labels": [["x"], [], ["x", "y"], ["y"]]})
    assert several.fit(moods).constant_loss(moods) == pytest.approx(np.log(2))
