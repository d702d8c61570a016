"""A layer in two calls is its halves, kernel by kernel, to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from dianji.kernels.layers import fast, whole
from dianji.kernels.layers.blocks import States
from dianji.kernels.layers.fast import find_fast_layers
from dianji.kernels.native import tiles

pytestmark = pytest.mark.skipif(not tiles.available(), reason="this processor has no tiles")

LENGTHS = (9, 31, 2, 17, 40)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each layer's call was whole; the first is that of a layer which is tried."""
    found: list[bool] = []
    ask: Callable[..., States | None] = whole.whole_layer

    def seen(*arguments: Any) -> States | None:
        answer = ask(*arguments)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(fast, "whole_layer", seen)
    return found


def make(model_type: str = "bert", **options: Any) -> PreTrainedModel:
    sizes: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
    }
    if model_type == "distilbert":
        sizes = {"dim": 64, "hidden_dim": 96, "n_layers": 3, "n_heads": 2}
    torch.manual_seed(3)
    model: PreTrainedModel = AutoModel.from_config(
        AutoConfig.for_model(model_type, vocab_size=50, max_position_embeddings=64, **{**sizes, **options})
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def batch() -> dict[str, Tensor]:
    torch.manual_seed(4)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    return {"input_ids": torch.randint(5, 50, mask.shape) * mask, "attention_mask": mask}


def learnt(model: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    """States of real tokens and gradients, with dropout if the model is training."""
    fast, given = find_fast_layers(model, torch.device("cpu")), batch()
    fast.renew()
    torch.manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16), fast.on():
        states = model(**given)[0]
    states = states[given["attention_mask"].bool()]
    if torch.is_grad_enabled() and states.requires_grad:
        (states.float() * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
    return states.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def by_halves(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, dict[str, Tensor]]:
    with monkeypatch.context() as patched:
        patched.setattr(fast, "whole_layer", lambda *_: None)
        return learnt(copy.deepcopy(model))


def assert_same(one: tuple[Tensor, dict[str, Tensor]], other: tuple[Tensor, dict[str, Tensor]]) -> None:
    assert torch.equal(one[0], other[0])
    assert one[1].keys() == other[1].keys()
    for name, grad in one[1].items():
        assert torch.equal(grad, other[1][name]), name


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert", "electra"])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_bits_as_by_halves(
    model_type: str, training: bool, calls: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(model_type).train(training)
    wanted = by_halves(model, monkeypatch)
    found = learnt(model)
    assert calls[1:] == [True] * 3
    assert found[1]
    assert_same(found, wanted)


def test_padded_rows(calls: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dianji.kernels.layers.packing.packs", lambda *_: False)
    model = make().train()
    wanted = by_halves(model, monkeypatch)
    assert_same(learnt(model), wanted)
    assert calls[1:] == [True] * 3


def test_without_gradients_nothing_is_kept(calls: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make().eval()
    with torch.no_grad():
        wanted = by_halves(model, monkeypatch)
        found = learnt(model)
    assert calls[1:] == [True] * 3
    assert found[1] == {}
    assert_same(found, wanted)


def test_below_the_first_layer_that_learns_nothing_is_kept_and_no_gradient_goes_there(
    calls: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layer.1." in name or "layer.2." in name)
    wanted = by_halves(model, monkeypatch)
    found = learnt(model)
    assert calls[1:] == [True] * 3
    assert {name.split(".")[2] for name in found[1]} == {"1", "2"}
    assert_same(found, wanted)


@pytest.mark.parametrize(
    ("options", "frozen"),
    [
        ({"hidden_act": "relu"}, ""),
        ({"hidden_size": 48, "intermediate_size": 72}, ""),
        ({}, "layer.1.output.dense.bias"),
    ],
)
def test_other_layers_go_by_halves(options: dict[str, Any], frozen: str, calls: list[bool]) -> None:
    model = make(**options).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or frozen not in name)
    learnt(model)
    assert calls[1:] == ([True, False, True] if frozen else [False] * 3)


def test_in_fp32_and_with_few_rows_it_goes_by_halves(calls: list[bool]) -> None:
    model = make().train()
    fast = find_fast_layers(model, torch.device("cpu"))
    calls.clear()
    with fast.on():
        model(**batch())
    with torch.autocast("cpu", torch.bfloat16), fast.on():
        model(input_ids=torch.tensor([[5, 6, 7]]))
    assert calls == [False] * 6


def test_a_second_way_back_is_refused_as_torch_does(calls: list[bool]) -> None:
    model = make().train()
    fast = find_fast_layers(model, torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16), fast.on():
        total = model(**batch())[0].sum()
    total.backward()
    with pytest.raises(RuntimeError, match="second time"):
        total.backward()
    assert calls[-3:] == [True] * 3
