"""Counting on tensors without contents finds what real ones take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from dianji.adapt.frozen import Frozen
from dianji.adapt.full import Full
from dianji.adapt.lora import Lora
from dianji.bases.base import Base
from dianji.data.source import SOURCE
from dianji.engine.forecast import FAST, MIB, Forecast, Load, forecast, state_bytes
from dianji.engine.recomputing import recompute_activations
from dianji.spec.section import Component
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.joint import Joint, joint_table
from dianji.tasks.masked_language import MaskedLanguage
from dianji.tasks.sequence_tagging import SequenceTagging
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys

ADAMW = Component(name="adamw")


def load(adaptation=None, *, task=None, base: Base | None = None, again=False, bf16=False, repeat=4):
    """A stage on toys: 24 rows, repeated, in one batch."""
    base = base or toys.text_base()
    table = toys.image_table() if base.card.modality == "image" else toys.text_table()
    task = (task or TextClassification()).fit(table)
    examples = task.encode(table, base)
    batch = task.collate(examples, base, np.random.default_rng(0), purpose="train")
    batch = {name: torch.cat([value] * repeat) for name, value in batch.items()}
    with torch.device("meta"):
        model = task.model(base)
        (adaptation or Full()).attach(model)
    if again:
        recompute_activations(model.model)
    return Load(model.model, [(model.model, batch)], [(model.model, batch)], ADAMW, bf16, varied=True)


def kept(batch) -> int:
    """Bytes that autograd keeps of a real forward pass, weights left out."""
    torch.manual_seed(0)
    model = TextClassification().fit(toys.text_table()).model(toys.text_base()).model.train()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(batch["input_ids"], batch["attention_mask"]).logits.sum()
        total = sum(storage.nbytes() for storage in held.values())
    assert loss.requires_grad
    return total


def test_a_step_is_what_a_real_one_keeps_and_little_more():
    made = load()
    found = forecast(made, 0.0).step * MIB
    ((_, batch),) = made.steps
    assert kept(batch) < found < 1.5 * kept(batch)


def joint_load(*, same: bool):
    """A stage of two parts on the same texts, or on others; and the tasks, the batch and the base."""
    texts = toys.text_table()
    read = texts["text"].to_pylist()
    other = read if same else [f"my {text}" for text in read]
    spans = [[{"start": 0, "end": len(text.split()[0]), "label": "FIRST"}] for text in other]
    sources = pa.array([f"line {row}" for row in range(len(read))])
    rows = joint_table(
        {
            "label": texts.append_column(SOURCE, sources),
            "first": pa.table({"text": other, "spans": spans, SOURCE: sources}),
        }
    )
    task = Joint.of({"label": TextClassification(), "first": SequenceTagging()}, {"label": 1.0, "first": 1.0}).fit(rows)
    base = toys.text_base()
    batch = task.collate(task.encode(rows, base), base, np.random.default_rng(0), purpose="train")
    return task, base, batch


def joint_kept(task, base, batch) -> int:
    """Bytes that autograd keeps of a real step, weights left out."""
    model = task.model(base).model.train()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = task.loss(model, batch).value
        total = sum(storage.nbytes() for storage in held.values())
    assert loss.requires_grad
    return total


@pytest.mark.parametrize("same", [True, False])
def test_a_step_of_several_parts_is_what_a_real_one_keeps(same):
    task, base, batch = joint_load(same=same)
    with torch.device("meta"):
        model = task.model(base).model
    evaluations = [
        (model.parts[name], {key: value.clone() for key, value in batch[name].items()}) for name in task.tasks
    ]
    with task.running(model, batch) as runs:
        found = forecast(Load(model, runs, evaluations, ADAMW, False, varied=True), 0.0)
    kept_bytes = joint_kept(task, base, batch)
    assert kept_bytes < found.step * MIB < 1.6 * kept_bytes
    alone = []
    for name in task.tasks:
        with torch.device("meta"):
            part = task.tasks[name].model(base).model
        alone.append(forecast(Load(part, [(part, batch[name])], [(part, batch[name])], ADAMW, False, varied=True), 0.0))
    assert max(one.weights for one in alone) <= found.weights < 1.1 * max(one.weights for one in alone)
    together = sum(one.step for one in alone)
    assert found.step < 0.8 * together if same else 0.8 * together < found.step < 1.1 * together
    assert found.evaluation == pytest.approx(max(one.evaluation for one in alone), rel=0.2)


def test_weights_and_state_are_counted_where_they_learn():
    full, frozen, light = (forecast(load(part), 0.0) for part in (Full(), Frozen(), Lora(rank=2)))
    assert full.optimizer == pytest.approx(2 * full.weights, rel=1e-3)
    assert frozen.weights == full.weights
    assert frozen.optimizer < 0.1 * full.optimizer
    assert frozen.step < light.step < full.step
    assert full.checkpoint == pytest.approx(3 * full.weights, rel=1e-3)


def test_activations_grow_with_the_batch_and_shrink_when_computed_again():
    small, large = (forecast(load(repeat=repeat), 0.0).step for repeat in (8, 16))
    assert 1.8 < large / small < 2.1
    assert forecast(load(repeat=16, again=True), 0.0).step < 0.7 * large
    assert forecast(load(repeat=16, bf16=True), 0.0).step < 0.95 * large


@pytest.mark.parametrize(
    ("task", "base"), [(ImageClassification(), toys.image_base), (MaskedLanguage(), toys.text_base)]
)
def test_images_and_language(task, base):
    found = forecast(load(task=task, base=base()), 100.0)
    assert found.step > found.evaluation > 0
    assert found.total > 100.0


@pytest.mark.parametrize(
    ("optimizer", "expected"), [("adamw", 8), ("sgd", 4), ("adagrad", 4), ("adadelta", 8), ("adafactor", 0)]
)
def test_the_state_of_optimizers(optimizer, expected):
    assert state_bytes(Component(name=optimizer)) == pytest.approx(expected, abs=0.1)


def test_fast_layers_keep_less():
    plain = load()
    fast = forecast(replace(load(), fast=True), 0.0)
    assert fast.step == pytest.approx(FAST * forecast(plain, 0.0).step)
    assert fast.weights > 0


def test_what_comes_one_after_the_other_is_not_added_up():
    one = Forecast(process=100, weights=10, optimizer=20, step=50, evaluation=40, checkpoint=30, libraries=5)
    other = Forecast(process=100, weights=10, optimizer=20, step=50, evaluation=0, checkpoint=0, libraries=5)
    assert one.total == other.total
