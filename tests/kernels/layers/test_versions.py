"""Autograd counts writes, and so do kernels: a fast layer refuses to go back to weights that changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dianji.bases.models.image_cnn import ImageCnnConfig, ImageCnnForImageClassification
from dianji.kernels.layers.fast import find_fast_layers
from dianji.kernels.layers.products import Part, Product
from dianji.kernels.layers.weights import Tiled
from dianji.kernels.native import tiles
from dianji.kernels.native.adamw import CompiledAdamW
from tests.kernels.layers.test_layers import batch_of, make

CPU = torch.device("cpu")
needs_kernels = pytest.mark.kernels
MODIFIED = "modified by an inplace operation"


def loss_of(model: nn.Module, *, bf16: bool = False) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found: Tensor = model(**batch_of("bert")).last_hidden_state.float().square().mean()
    return found


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["attention.self.key", "attention.output.dense", "output.dense", "output.LayerNorm"])
def test_weights_that_change_between_the_passes_are_refused(between: str, name: str, bf16: bool) -> None:
    model = make("bert").train()
    weight = model.get_parameter(f"encoder.layer.1.{name}.weight")
    with find_fast_layers(model, CPU).on():
        loss = loss_of(model, bf16=bf16)
        with torch.no_grad():
            weight.mul_(2)
        with pytest.raises(RuntimeError, match=MODIFIED):
            loss.backward()


def test_what_is_not_read_again_may_change(between: str) -> None:
    """As in torch: a bias has no part in any other gradient."""
    model = make("bert").train()
    with find_fast_layers(model, CPU).on():
        loss = loss_of(model)
        with torch.no_grad():
            model.get_parameter("encoder.layer.1.output.dense.bias").mul_(2)
        loss.backward()


@needs_kernels
def test_a_step_of_the_compiled_optimizer_counts() -> None:
    model = make("bert").train()
    optimizer = CompiledAdamW(list(model.parameters()), lr=0.1)
    with find_fast_layers(model, CPU).on():
        loss_of(model).backward()
        old = loss_of(model)
        before = {name: p._version for name, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
        assert all(model.get_parameter(name)._version > version for name, version in before.items())
        with pytest.raises(RuntimeError, match=MODIFIED):
            old.backward()
        moment = next(iter(optimizer.state.values()))["exp_avg"]
        version = moment._version
        optimizer.step()
        assert moment._version > version


@needs_kernels
def test_statistics_that_a_kernel_moves_count() -> None:
    model = ImageCnnForImageClassification(ImageCnnConfig(hidden_sizes=(8,), classifier_dropout=0.0)).train()
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.running_mean is not None
    before = norm.running_mean._version
    with find_fast_layers(model, CPU).on():
        model(torch.randn(2, 3, 8, 8))
    assert norm.running_mean._version > before


def packed(parts: int) -> tuple[Product, Callable[[], list[Tensor]]]:
    """A product whose weights lie in tiles, as far as Python knows, and what it holds."""
    linears = [nn.Linear(32, 32) for _ in range(parts)]
    product = Product([Part(linear.weight, linear.bias) for linear in linears])
    weight = Tiled(tiles.Packed(*(torch.zeros(32 * 32 * parts) for _ in range(2)), 32 * parts, 32), product._bias())  # type: ignore[arg-type, call-arg]  # two
    made = product.cast(torch.bfloat16)._replace(weight=weight)
    product._held = product._held._replace(cast=made)

    def held() -> list[Tensor]:
        found = product.cast(torch.bfloat16).weight
        assert isinstance(found, Tiled)
        assert found.bias is not None
        return [found.packed.forward, found.bias]

    return product, held


@pytest.mark.parametrize("parts", [1, 3])
def test_a_product_follows_an_optimizer_that_packs_and_counts(parts: int) -> None:
    product, held = packed(parts)
    kept = held()[0]
    assert len(product.copies()) == parts
    with torch.no_grad():
        for parameter in product.parameters:
            parameter.add_(1)
    product.follow()
    assert product._held.made_from == product._now(torch.bfloat16)
    assert held()[0] is kept  # nothing was packed again
    assert torch.equal(held()[1], torch.cat([part.bias for part in product.parts if part.bias is not None]))
    assert len(product.copies()) == parts


def test_a_product_that_follows_nothing_is_packed_again() -> None:
    product, _ = packed(1)
    with torch.no_grad():
        product.parts[0].weight.add_(1)
    assert product.copies() == {}  # it no longer holds what the weight is
    product.renew()
    product.follow()
    assert product._held.made_from == ()
