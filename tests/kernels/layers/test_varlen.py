"""Packed layers of a GPU, on the CPU: attention takes one example after the other in FlashAttention's place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from dianji.kernels.layers import fast, varlen
from dianji.kernels.layers.families import Layer, parts_of
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from tests.kernels.layers.test_layers import batch_of, make

CPU = torch.device("cpu")
RAGGED = (9, 1, 33, 7, 16)


def one_by_one(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, time: int, dropout: float, scale: float
) -> Tensor:
    assert starts.dtype == torch.int32
    assert query.dtype in varlen.HALF
    assert int(starts.diff().max()) <= time
    assert dropout == 0
    found = []
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        some, others, what = (of[begin:end].transpose(0, 1)[None] for of in (query, key, value))
        found.append(functional.scaled_dot_product_attention(some, others, what, scale=scale)[0].transpose(0, 1))
    return torch.cat(found)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes the fast of a model; notes how many rows go through each packed layer."""
    seen: list[int] = []
    packed_layer = varlen.packed_layer

    def noted(x: Tensor, *others: Any) -> Tensor:
        seen.append(len(x))
        return packed_layer(x, *others)

    monkeypatch.setattr(varlen, "packed_layer", noted)
    monkeypatch.setattr(varlen.VarlenLayer.__init__, "__defaults__", (one_by_one,))
    return seen


def on_a_gpu(model: nn.Module) -> FastLayers:
    fast = find_fast_layers(model, CPU)
    return FastLayers(fast.layers, "", followers=fast.followers, on_gpu=True)


def learnt(
    model: PreTrainedModel, batch: dict[str, Tensor], fast: FastLayers | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """States of real tokens, and gradients of a sum of them with signs."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16), (fast or FastLayers()).on():
        states = model(**batch).last_hidden_state
    states = states[batch["attention_mask"].bool()].float()
    torch.manual_seed(9)
    (states * torch.randn(states.shape)).sum().backward()
    return states.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def first_layer(model: PreTrainedModel) -> tuple[nn.Module, Layer]:
    layer, config = next(fast._layers(model))
    parts = parts_of(layer, config)
    assert isinstance(parts, Layer)
    return layer, parts


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra", "distilbert"])
def test_packed_layers_say_and_learn_what_plain_ones_do(model_type: str, as_on_a_gpu: list[int]) -> None:
    model, batch = make(model_type).eval(), batch_of(model_type, RAGGED)
    plain, wanted = learnt(model, batch, None)
    packed, found = learnt(model, batch, on_a_gpu(model))
    assert as_on_a_gpu == [sum(RAGGED)] * 2
    assert float((packed - plain).norm() / plain.norm()) < 0.02
    assert found.keys() == wanted.keys()
    for name, grad in wanted.items():
        if not name.endswith(("key.bias", "k_lin.bias")):  # which softmax does not see
            assert torch.cosine_similarity(found[name].flatten(), grad.flatten(), dim=0) > 0.99, name


def test_an_example_says_what_it_says_by_itself(as_on_a_gpu: list[int]) -> None:
    model, batch = make("bert").eval(), batch_of("bert", RAGGED)
    fast = on_a_gpu(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        with fast.on():
            together = model(**batch).last_hidden_state
        for number, length in enumerate(RAGGED):
            alone = model(batch["input_ids"][number : number + 1, :length]).last_hidden_state[0]
            assert float((together[number, :length] - alone).norm() / alone.norm()) < 0.02
            assert not together[number, length:].any()
    assert as_on_a_gpu


def test_dropout_is_that_of_the_model(as_on_a_gpu: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def noted(
        query: Tensor, key: Tensor, value: Tensor, starts: Tensor, time: int, dropout: float, scale: float
    ) -> Tensor:
        rates.append(dropout)
        return one_by_one(query, key, value, starts, time, 0.0, scale)

    monkeypatch.setattr(varlen.VarlenLayer.__init__, "__defaults__", (noted,))
    model = make("bert", attention_probs_dropout_prob=0.3, hidden_dropout_prob=0.5).train()
    batch = batch_of("bert", RAGGED)
    fast = on_a_gpu(model)
    first, second = (learnt(model, batch, fast)[0] for _ in range(2))
    assert rates == [0.3] * 4
    assert not torch.equal(first, second)


def test_without_padding_and_in_fp32_the_layer_is_the_plain_one(as_on_a_gpu: list[int]) -> None:
    model = make("bert").eval()
    fast = on_a_gpu(model)
    full, ragged = batch_of("bert", (8, 8, 8)), batch_of("bert", RAGGED)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            plain = model(**full).last_hidden_state
            with fast.on():
                assert torch.equal(model(**full).last_hidden_state, plain)
        wanted = model(**ragged).last_hidden_state
        with fast.on():
            assert torch.equal(model(**ragged).last_hidden_state, wanted)
        with torch.autocast("cpu", torch.bfloat16), fast.on(compiled=True):
            model(**ragged)
    assert as_on_a_gpu == []


class TestProof:
    @pytest.mark.parametrize("model_type", ["bert", "distilbert", "vit"])
    def test_a_layer_that_is_the_plain_one_is_taken(self, model_type: str) -> None:
        layer, parts = first_layer(make(model_type).train())
        assert varlen.fault(layer, parts, CPU, one_by_one) is None
        assert layer.training

    def test_what_torch_has_not_here_is_told(self) -> None:
        told = varlen.fault(*first_layer(make("bert")), CPU)
        assert told is not None
        assert "attention of variable length is not to be had here (" in told

    def test_another_answer_is_told(self) -> None:
        def scaled(*arguments: Any) -> Tensor:
            return one_by_one(*arguments) * 1.5

        told = varlen.fault(*first_layer(make("bert")), CPU, scaled)
        assert told is not None
        assert "BertLayer computes something else here (difference " in told

    def test_another_gradient_is_told(self) -> None:
        def cut(query: Tensor, *others: Any) -> Tensor:
            return one_by_one(query.detach(), *others)

        told = varlen.fault(*first_layer(make("bert")), CPU, cut)
        assert told is not None
        assert "something else" in told


def test_torchs_function_takes_what_it_is_given_and_has_a_gradient() -> None:
    """By tensors that have shapes and no contents."""
    joined = torch.empty((66, 3, 4, 32), dtype=torch.bfloat16, device="meta", requires_grad=True)
    query, key, value = joined.unbind(dim=1)
    found = varlen.flash(query, key, value, torch.empty((6,), dtype=torch.int32, device="meta"), 33, 0.1, 0.2)
    assert found.shape == (66, 4, 32)
    found.sum().backward()
    assert joined.grad is not None
    assert joined.grad.shape == joined.shape
