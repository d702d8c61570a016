"""A cut model is the whole model, whatever its architecture; and what cannot be cut says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from dianji.adapt.frozen import Frozen
from dianji.adapt.last_layers import LastLayers
from dianji.adapt.layers import hold_still
from dianji.adapt.lora import Lora
from dianji.engine.frozen.graph_split import GraphSplit, SizedBatch, find_graph_split
from dianji.engine.frozen.shapes import Extent, NotSplittable
from dianji.tasks.base import Loss
from dianji.testing.toys import MODELS, ToyModel

TOP = {"bert": "layer.1.attention.self.query", "pooled-bert": "layer.1.attention.self.query", "gpt2": "h.1.attn.c_attn"}


def sample(toy: ToyModel, rows: list[int]) -> SizedBatch:
    batch = {**{name: tensor[rows] for name, tensor in toy.inputs.items()}, "labels": toy.target[rows]}
    if "attention_mask" in batch:
        time = int(batch["attention_mask"].sum(1).max())
        batch.update({name: batch[name][:, :time] for name in toy.inputs})
        return SizedBatch(batch, Extent(len(rows), time))
    return SizedBatch(batch, Extent(len(rows), 1))


def runner(model: nn.Module):
    def run(batch: Any) -> Loss:
        logits = model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits
        return Loss(nn.functional.cross_entropy(logits, batch["labels"]), len(logits))

    return run


def cut(toy: ToyModel) -> GraphSplit:
    lengths = toy.inputs["attention_mask"].sum(1) if "attention_mask" in toy.inputs else torch.ones(6)
    short, long = int(lengths.argmin()), int(lengths.argmax())
    probes = sample(toy, [short] * 3), sample(toy, [long] * 2)
    return find_graph_split(toy.model.model, runner(toy.model.model), probes, sample(toy, list(range(6))), 1e-4)


def adapted(name: str, adaptation: Any) -> ToyModel:
    toy = MODELS[name]()
    torch.manual_seed(3)
    adaptation.attach(toy.model)
    return toy


@pytest.mark.parametrize(
    ("name", "adaptation", "where", "ragged", "item"),
    [
        ("pooled-bert", Frozen(), "dropout", False, (16,)),
        ("bert", Frozen(), "dropout", False, (16,)),
        ("gpt2", Frozen(), "score", True, (16,)),
        ("vit", Frozen(), "classifier", False, (16,)),
        ("resnet", Frozen(), "classifier.1", False, (16,)),
        ("pooled-bert", LastLayers(1), "backbone.encoder.layer.1", True, (16,)),
        ("bert", LastLayers(1), "bert.encoder.layer.1", True, (16,)),
        ("gpt2", LastLayers(1), "transformer.h.1", True, (16,)),
        ("vit", LastLayers(1), "vit.layers.1", False, (5, 16)),
        ("resnet", LastLayers(1), "resnet.encoder.stages.1", False, (8, 4, 4)),
        ("bert", Lora(targets=(TOP["bert"],)), "bert.encoder.layer.1", True, (16,)),
        ("gpt2", Lora(targets=(TOP["gpt2"],)), "transformer.h.1", True, (16,)),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_kind_of_model_is_cut_where_it_starts_to_learn(name, adaptation, where, ragged, item):
    toy = adapted(name, adaptation)
    found = cut(toy)
    assert (found.path.startswith(where), found.ragged, found.item) == (True, ragged, item), found.path
    model = toy.model.model
    model.train()
    hold_still(model)
    batch = sample(toy, list(range(6)))
    torch.manual_seed(5)
    expected = runner(model)(batch.batch).value
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    state = found.reach(lambda: runner(model)(batch.batch))
    torch.manual_seed(5)
    with found.replayed(state, batch.extent):
        loss = runner(model)(batch.batch).value
        loss.backward()
    assert torch.equal(loss, expected)
    assert gradients
    for name, gradient in gradients.items():
        found_gradient = model.get_parameter(name).grad
        assert found_gradient is not None
        assert torch.equal(found_gradient, gradient), name
    assert all("forward" not in vars(module) for module in model.modules())


@pytest.mark.parametrize("name", ["bert", "pooled-bert", "gpt2"])  # of a toy for images the embedding is much
def test_where_the_first_layer_learns_nothing_is_cut(name):
    toy = adapted(name, LastLayers(2))
    with pytest.raises(NotSplittable, match=r"too little comes before it|nothing frozen runs"):
        cut(toy)


class Leaky(nn.Module):
    """What is frozen speaks twice: before the layer that learns, and after it."""

    def __init__(self, *, leak: bool) -> None:
        super().__init__()
        self.trunk, self.layer, self.leak = nn.Linear(4, 3), nn.Linear(3, 3), leak
        self.trunk.requires_grad_(False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        hidden = self.trunk(values)
        found: torch.Tensor = self.layer(hidden)
        return found + hidden if self.leak else found


class Behind(nn.Module):
    """A weight that learns is used before the layers, without a part of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4))
        self.trunk, self.layer = nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, 3)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(self.trunk(values + self.shift))
        return found


@dataclass
class Plain:
    model: nn.Module

    def cut(self) -> GraphSplit:
        torch.manual_seed(0)

        def run(batch: Any) -> Loss:
            return Loss(self.model(batch["values"]).pow(2).mean(), len(batch["values"]))

        one, other, check = (SizedBatch({"values": torch.randn(n, 4)}, Extent(n, 1)) for n in (3, 2, 6))
        return find_graph_split(self.model, run, (one, other), check, 1e-4)


def test_what_leaks_past_the_cut_is_seen():
    assert Plain(Leaky(leak=False)).cut().path == "layer"
    with pytest.raises(NotSplittable, match="needs more than its input"):
        Plain(Leaky(leak=True)).cut()


def test_a_weight_that_learns_before_the_cut_is_seen():
    with pytest.raises(NotSplittable, match="nothing frozen runs before"):
        Plain(Behind()).cut()


def test_a_crash_inside_leaves_the_model_as_it_was():
    toy = adapted("bert", Frozen())
    found = cut(toy)
    batch = sample(toy, [0, 1])
    state = found.reach(lambda: runner(toy.model.model)(batch.batch))
    with pytest.raises(KeyboardInterrupt), found.replayed(state, batch.extent):
        raise KeyboardInterrupt
    assert all("forward" not in vars(module) for module in toy.model.model.modules())
    assert not any(module._forward_pre_hooks for module in toy.model.model.modules())
