"""What products read is what the optimiser has left: where it packs weights itself, and where it does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from dianji.kernels.native import tiles
from dianji.kernels.native.adamw import CompiledAdamW

pytestmark = pytest.mark.kernels


def make() -> PreTrainedModel:
    torch.manual_seed(3)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=50,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    model: PreTrainedModel = AutoModel.from_config(config, add_pooling_layer=False)
    model.train()
    return model


def gradients(model: PreTrainedModel, fast: FastLayers, seed: int) -> float:
    torch.manual_seed(seed)
    ids = torch.randint(5, 50, (8, 12))
    with torch.autocast("cpu", torch.bfloat16), fast.on():
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids))[0].square().mean()
    loss.backward()
    return float(loss.detach())


def products(fast: FastLayers) -> list[Any]:
    return [product for layer in fast.layers.values() for product in layer.products]


def cast_anew(fast: FastLayers) -> list[tuple[Tensor, ...]]:
    """Every weight and bias as products read them, of a fast that is made new."""
    found: list[tuple[Tensor, ...]] = []
    for product in products(fast):
        product.forget()
        cast = product.cast(torch.bfloat16).weight
        found.append((cast.packed.forward.clone(), cast.packed.backward.clone(), cast.bias.clone()))
    return found


def as_read(fast: FastLayers) -> list[tuple[Tensor, ...]]:
    return [
        (cast.packed.forward.clone(), cast.packed.backward.clone(), cast.bias.clone())
        for cast in (product.cast(torch.bfloat16).weight for product in products(fast))
    ]


@pytest.mark.skipif(not tiles.available(), reason="this processor has no tiles")
@pytest.mark.parametrize("frozen", ["", "attention.self.key", "layer.0"])
def test_a_step_leaves_packed_what_packing_anew_gives(frozen: str) -> None:
    model = make()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or frozen not in name)
    fast = find_fast_layers(model, torch.device("cpu"))
    learning = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": learning[::2], "weight_decay": 0.1}, {"params": learning[1::2]}]
    optimizer = CompiledAdamW(groups, lr=0.01)
    for seed in range(3):
        gradients(model, fast, seed)
        with fast.stepping(optimizer):
            optimizer.step()
        optimizer.zero_grad()
        for product in products(fast):  # nothing is to be packed again
            assert product._held.made_from == product._now(torch.bfloat16)
    for read, wanted in zip(as_read(fast), cast_anew(fast), strict=True):
        assert all(torch.equal(*pair) for pair in zip(read, wanted, strict=True))


@pytest.mark.skipif(not tiles.available(), reason="this processor has no tiles")
def test_a_weight_that_layers_share_is_packed_for_each() -> None:
    model = make()
    first, second = (layer.intermediate.dense for layer in model.get_submodule("encoder.layer"))  # type: ignore[attr-defined]  # a list of them
    second.weight = first.weight
    fast = find_fast_layers(model, torch.device("cpu"))
    optimizer = CompiledAdamW(list(model.parameters()), lr=0.01)
    gradients(model, fast, 0)
    with fast.stepping(optimizer):
        optimizer.step()
    for read, wanted in zip(as_read(fast), cast_anew(fast), strict=True):
        assert all(torch.equal(*pair) for pair in zip(read, wanted, strict=True))


@pytest.mark.skipif(not tiles.available(), reason="this processor has no tiles")
def test_training_is_the_same_to_the_bit_whoever_packs() -> None:
    found = []
    for follows in (True, False):
        model = make()
        fast = find_fast_layers(model, torch.device("cpu"))
        optimizer = CompiledAdamW(list(model.parameters()), lr=0.01)
        losses = []
        for seed in range(4):
            losses.append(gradients(model, fast, seed))
            optimizer.clip(1.0)
            if follows:
                with fast.stepping(optimizer):
                    optimizer.step()
            else:
                optimizer.step()
                fast.renew()
            optimizer.zero_grad()
        found.append((losses, [parameter.detach().clone() for parameter in model.parameters()]))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(*pair) for pair in zip(found[0][1], found[1][1], strict=True))


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_after_an_optimiser_that_knows_of_nothing_weights_are_cast_anew(kind: Any) -> None:
    model = make()
    fast = find_fast_layers(model, torch.device("cpu"))
    optimizer = kind(model.parameters(), lr=0.1, fused=True)  # which writes without counting
    gradients(model, fast, 0)
    with fast.stepping(optimizer):
        optimizer.step()
    assert all(product._held.made_from == () for product in products(fast))


def test_what_is_written_unseen_around_an_evaluation_is_read_after_it() -> None:
    """As a technique does that evaluates an average of the weights."""
    model = make()
    fast = find_fast_layers(model, torch.device("cpu"))
    optimizer = CompiledAdamW(list(model.parameters()), lr=0.01)
    gradients(model, fast, 0)
    with fast.stepping(optimizer):
        optimizer.step()
    optimizer.zero_grad()
    known = gradients(model, fast, 1)
    weight = products(fast)[2].parts[0].weight
    trained = weight.detach().clone()
    weight.data.zero_()
    with fast.evaluating():
        other = gradients(model, fast, 1)
    weight.data.copy_(trained)
    assert other != known
    assert gradients(model, fast, 1) == known
