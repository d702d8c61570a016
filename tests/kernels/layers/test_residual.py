"""Convolutional layers with fast layers say and learn what plain ones do, and leave the same statistics behind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForImageClassification, PreTrainedModel, ResNetConfig

from dianji.bases.models.image_cnn import ImageCnnConfig, ImageCnnForImageClassification
from dianji.kernels.layers import convolution, fast
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from dianji.kernels.native import library
from tests.engine import conftest

CPU = torch.device("cpu")
needs_kernels = pytest.mark.kernels


def make(form: str, *, momentum: float | None = 0.1) -> nn.Module:
    """A small model, every number of which was drawn."""
    torch.manual_seed(1)
    model: PreTrainedModel
    if form == "cnn":
        model = ImageCnnForImageClassification(ImageCnnConfig(hidden_sizes=(8, 20), classifier_dropout=0.0))
    else:
        options: dict[str, Any] = {"embedding_size": 12, "hidden_sizes": [20, 80], "depths": [1, 2], "layer_type": form}
        model = AutoModelForImageClassification.from_config(ResNetConfig(**options))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum
    model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # transformers wraps it
    return model


@pytest.fixture(params=["basic", "bottleneck", "cnn"])
def model(request: pytest.FixtureRequest) -> nn.Module:
    return make(request.param)


def pictures(side: int = 33) -> Tensor:
    return torch.randn((6, 3, side, side), generator=torch.Generator().manual_seed(2))


def learnt(model: nn.Module, fast: FastLayers | None, *, bf16: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits of one training step, and all gradients and buffers after it. The model stays as it is."""
    model = copy.deepcopy(model)
    if fast is not None:
        fast = find_fast_layers(model, CPU)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), fast.on() if fast else nullcontext():
        logits = model(pictures()).logits
    (logits.float() * torch.linspace(-1, 1, logits.shape[-1])).square().mean().backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return logits.detach().float(), found | dict(model.named_buffers())


def _apart(found: dict[str, Tensor], wanted: dict[str, Tensor], names: list[str]) -> float:
    """The mean relative difference."""
    return sum(float((found[name] - wanted[name]).norm() / wanted[name].norm()) for name in names) / len(names)


@needs_kernels
class TestAlike:
    @pytest.mark.parametrize("momentum", [0.1, None])
    def test_in_fp32(self, model: nn.Module, momentum: float | None) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = momentum
        fast = find_fast_layers(model, CPU)
        assert fast.residual, fast.description
        assert "compiled kernels" in fast.description
        (plain, of_plain), (quick, of_quick) = learnt(model, None), learnt(model, fast)
        torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4)
        assert of_quick.keys() == of_plain.keys()
        for name, wanted in of_plain.items():
            torch.testing.assert_close(of_quick[name], wanted, rtol=5e-3, atol=1e-4, msg=name)

    def test_in_bf16_it_errs_no_more_than_torch_does(self, model: nn.Module) -> None:
        fast = find_fast_layers(model, CPU)
        _, exact = learnt(model, None)
        (plain, of_plain), (quick, of_quick) = learnt(model, None, bf16=True), learnt(model, fast, bf16=True)
        assert (quick - plain).abs().max() < 0.1 * plain.abs().max()
        grads = [name for name, _ in model.named_parameters()]
        torches, ours = (_apart(of, exact, grads) for of in (of_plain, of_quick))
        assert ours < 1.2 * torches + 0.002
        assert all(of_quick[name].dtype == wanted.dtype for name, wanted in exact.items())

    def test_in_evaluation_nothing_changes_to_the_bit(self, model: nn.Module) -> None:
        model.eval()
        fast, before = find_fast_layers(model, CPU), copy.deepcopy(model.state_dict())
        for bf16 in (False, True):
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                plain = model(pictures()).logits
                with fast.on():
                    assert torch.equal(model(pictures()).logits, plain)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())

    def test_twice_the_same_bits(self, model: nn.Module) -> None:
        fast = find_fast_layers(model, CPU)
        first, again = learnt(model, fast, bf16=True), learnt(model, fast, bf16=True)
        assert torch.equal(first[0], again[0])
        assert all(torch.equal(again[1][name], tensor) for name, tensor in first[1].items())

    def test_a_frozen_layer_holds_still(self) -> None:
        model = make("basic")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("stages.1" in name or "classifier" in name)
        for name, module in model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and "stages.1" not in name:
                module.eval()
        (plain, of_plain), (quick, of_quick) = learnt(model, None), learnt(model, find_fast_layers(model, CPU))
        torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4)
        assert of_quick.keys() == of_plain.keys()
        for name, wanted in of_plain.items():
            torch.testing.assert_close(of_quick[name], wanted, rtol=5e-3, atol=1e-4, msg=name)

    def test_an_adapted_convolution_is_called(self) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        model = make("basic")
        inject_adapter_in_model(LoraConfig(r=2, target_modules=["convolution"]), model)
        model.train()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        fast = find_fast_layers(model, CPU)
        assert fast.residual, fast.description
        (plain, of_plain), (quick, of_quick) = learnt(model, None), learnt(model, fast)
        torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4)
        for name, wanted in of_plain.items():
            torch.testing.assert_close(of_quick[name], wanted, rtol=5e-3, atol=1e-4, msg=name)


@needs_kernels
@pytest.mark.parametrize(("size", "stride", "pad"), [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (5, 3, 0)])
@pytest.mark.parametrize("side", [5, 8])
def test_a_weights_gradient_as_a_product(size: int, stride: int, pad: int, side: int) -> None:
    made = nn.Conv2d(7, convolution.LEAST_CHANNELS, size, stride, pad, bias=False)
    x = torch.randn(3, 7, side, side).bfloat16().float().requires_grad_()
    with torch.no_grad():
        made.weight.copy_(made.weight.bfloat16())
    out = made(x)
    grad = torch.randn_like(out).bfloat16()
    wanted = torch.autograd.grad(out, [x, made.weight], grad.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = convolution.convolve(x, made)
    torch.testing.assert_close(found.float(), out, rtol=1e-2, atol=1e-2)
    for mine, theirs in zip(torch.autograd.grad(found, [x, made.weight], grad), wanted, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=5e-2)


class TestRefusals:
    def test_without_kernels_the_plain_model_trains_and_that_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library, "available", lambda: False)
        monkeypatch.setattr(fast, "describe", lambda: "torch's kernels, DIANJI_KERNELS is off")
        found = find_fast_layers(make("basic"), CPU)
        assert not found.residual
        assert found.description == "none, torch's kernels, DIANJI_KERNELS is off"

    def test_other_activations(self) -> None:
        config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", hidden_act="gelu")
        model = AutoModelForImageClassification.from_config(config)
        assert "not ReLU" in find_fast_layers(model, CPU).description

    def test_other_normalisations(self) -> None:
        model = make("basic")
        model.get_submodule("resnet.embedder.embedder").normalization = nn.GroupNorm(1, 12)
        assert "another normalisation" in find_fast_layers(model, CPU).description

    def test_hooks(self) -> None:
        model = make("basic")
        model.get_submodule("resnet.embedder.embedder.normalization").register_forward_hook(lambda *of: None)
        assert "hooks on embedder.normalization" in find_fast_layers(model, CPU).description

    @needs_kernels
    def test_a_layer_that_computes_something_else_is_found_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from transformers.models.resnet.modeling_resnet import ResNetConvLayer

        plain = ResNetConvLayer.forward
        monkeypatch.setattr(ResNetConvLayer, "forward", lambda self, states: plain(self, states) * 1.5)
        found = find_fast_layers(make("basic"), CPU)
        assert not found.residual
        assert "computes something else" in found.description

    @needs_kernels
    def test_one_value_a_channel_is_refused_as_by_torch(self) -> None:
        model = make("cnn")
        with pytest.raises(ValueError, match="more than 1 value"), find_fast_layers(model, CPU).on():
            model(torch.randn(1, 3, 1, 1))

    @needs_kernels
    def test_pictures_of_other_channels_as_by_transformers(self) -> None:
        model = make("basic")
        with pytest.raises(ValueError, match="channel dimension"), find_fast_layers(model, CPU).on():
            model(torch.randn(2, 1, 33, 33))


@needs_kernels
def test_layers_and_random_numbers_are_as_before_afterwards() -> None:
    model = make("basic")
    names, state = set(model.state_dict()), torch.get_rng_state()
    found = find_fast_layers(model, CPU)
    with found.on():
        assert all("forward" in vars(layer) for layer in found.residual)
    assert not any("forward" in vars(layer) for layer in found.residual)
    assert set(model.state_dict()) == names
    assert torch.equal(torch.get_rng_state(), state)


class Painter(nn.Module):
    """The toy's rows of numbers as pictures, for a small ResNet."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.trunk = make("basic").get_submodule("resnet")
        self.head = nn.Linear(80, len(conftest.LABELS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        colours = functional.pad(ids * mask, (0, 9 - ids.shape[1])).view(-1, 1, 3, 3).expand(-1, 3, 3, 3)
        pooled = self.trunk(functional.interpolate(colours / 10, size=(24, 24))).pooler_output
        logits: Tensor = self.head(pooled.flatten(1))
        return logits


@needs_kernels
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_ends_with_the_bytes_of_one_that_was_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(conftest, "ToyModel", Painter)
    toy, log = conftest.Toy(tmp_path / "whole", precision=precision), conftest.Log()
    _, whole = toy.run(log)
    assert "toy: fast layers: 4 layers of Painter, compiled kernels" in log.said
    broken = toy.but("broken", train={"checkpoint_every": 2})
    training = broken.training()
    monkeypatch.setattr(training, "between_steps", _crashing(training.between_steps, 5))
    with pytest.raises(ZeroDivisionError):
        training.run()
    _, resumed = broken.run()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def _crashing(between_steps: Callable[..., None], calls: int) -> Callable[..., None]:
    left = iter(range(calls))

    def crash(**options: bool) -> None:
        between_steps(**options)
        if next(left) == calls - 1:
            raise ZeroDivisionError

    return crash
