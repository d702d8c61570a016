"""Parameter groups: who decays, who learns at the head's rate, who is left out."""

from __future__ import annotations

from typing import Any, cast

import pytest
from torch import nn

from dianji.engine.groups import parameter_groups
from dianji.tasks.base import TaskModel


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.head_norm = nn.LayerNorm(2)
        self.head = nn.Linear(2, 2)


def grouped(model, **changes):
    """(rate, decay) -> names."""
    headed = TaskModel(cast(Any, model), ("head",))
    groups = parameter_groups(headed, **{"rate": 0.1, "head_rate": 0.2, "decay": 0.01, **changes})
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(group["lr"] == group["base_lr"] for group in groups)
    return {(g["base_lr"], g["weight_decay"]): {names[id(p)] for p in g["params"]} for g in groups}


def test_biases_norms_and_embeddings_do_not_decay(toy_model):
    assert grouped(toy_model(0.0)) == {
        (0.1, 0.01): {"layer.weight"},
        (0.1, 0.0): {"embedding.weight", "layer.bias", "norm.weight", "norm.bias"},
        (0.2, 0.01): {"head.weight"},
        (0.2, 0.0): {"head.bias"},
    }


def test_convolutions_decay_and_a_prefix_is_not_a_head():
    found = grouped(Conv())
    assert found[0.1, 0.01] == {"convolution.weight"}
    assert found[0.1, 0.0] == {"convolution.bias", "norm.weight", "norm.bias", "head_norm.weight", "head_norm.bias"}


def test_what_is_frozen_is_in_no_group(toy_model):
    model = toy_model(0.0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head"))
    assert grouped(model) == {(0.2, 0.01): {"head.weight"}, (0.2, 0.0): {"head.bias"}}


def test_each_parameter_is_in_one_group(toy_model):
    model = toy_model(0.0)
    headed = TaskModel(cast(Any, model), ("head",))
    grouped_ids = [id(p) for group in parameter_groups(headed, 0.1, 0.1, 0.0) for p in group["params"]]
    assert sorted(grouped_ids) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_order_of_groups_does_not_depend_on_the_rates(toy_model, decay):
    first = [rate for rate, _ in grouped(toy_model(0.0), decay=decay, rate=0.5)]
    assert first == sorted(first, key=lambda rate: rate == 0.2)
