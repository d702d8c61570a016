"""Convolutional layers that have a fast form: those of transformers' ResNet and of our own small network.

A convolution that an adapter has made something else of is called as the module that it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.resnet import modeling_resnet as resnet

from dianji.bases.models.image_cnn import ConvolutionLayer
from dianji.kernels.layers.convolution import convolve
from dianji.kernels.layers.maps import norm_add_relu, norm_relu, norm_relu_pool
from dianji.kernels.layers.patching import Forward


@dataclass(frozen=True)
class Single:
    """A convolution."""

    layer: ConvolutionLayer

    def __call__(self, pixels: Tensor) -> Tensor:
        """As the layer."""
        return norm_relu(convolve(pixels, self.layer.convolution), self.layer.normalization)


@dataclass(frozen=True)
class Stem:
    """A convolution and what pools its output."""

    layer: Any  # resnet.ResNetEmbeddings

    def __call__(self, pixel_values: Tensor) -> Tensor:
        """As the layer."""
        if pixel_values.shape[1] != self.layer.num_channels:
            found: Tensor = type(self.layer).forward(self.layer, pixel_values)  # which says what is wrong
            return found
        first = self.layer.embedder
        return norm_relu_pool(convolve(pixel_values, first.convolution), first.normalization, self.layer.pooler)


@dataclass(frozen=True)
class Residual:
    """Two or three convolutions beside a shortcut, which may be one too."""

    layer: Any  # resnet.ResNetBasicLayer or resnet.ResNetBottleNeckLayer

    def __call__(self, hidden_state: Tensor) -> Tensor:
        """As the layer."""
        *before, last = self.layer.layer
        hidden = hidden_state
        for each in before:
            hidden = norm_relu(convolve(hidden, each.convolution), each.normalization)
        hidden = convolve(hidden, last.convolution)
        shortcut = self.layer.shortcut
        if isinstance(shortcut, nn.Identity):
            return norm_add_relu(hidden, last.normalization, hidden_state, None)
        beside = convolve(hidden_state, shortcut.convolution)
        return norm_add_relu(hidden, last.normalization, beside, shortcut.normalization)


FORMS: dict[type[nn.Module], Callable[[Any], Forward]] = {
    ConvolutionLayer: Single,
    resnet.ResNetEmbeddings: Stem,
    resnet.ResNetBasicLayer: Residual,
    resnet.ResNetBottleNeckLayer: Residual,
}


def find_residual(model: nn.Module) -> dict[nn.Module, Forward] | str:
    """Every such layer with its fast form, or why one has none; nothing where there are no such layers."""
    found: dict[nn.Module, Forward] = {}
    for layer in model.modules():
        form = FORMS.get(type(layer))
        if form is None:
            continue
        reason = next(_strange(layer), None)
        if reason is not None:
            return f"{type(layer).__name__} has {reason}"
        found[layer] = form(layer)
    return found


def difference(layer: nn.Module) -> float:
    """Between the fast and the plain form of a copy of a layer, in training mode, on random maps."""
    plain, fast = (copy.deepcopy(layer).train() for _ in range(2))
    channels = next(module.in_channels for module in layer.modules() if isinstance(module, nn.Conv2d))
    found: list[Tensor] = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        maps = torch.randn((2, channels, 9, 9), generator=torch.Generator().manual_seed(0))
        for forward in (plain, FORMS[type(layer)](fast)):
            torch.manual_seed(0)  # an adapter may have dropout
            found.append(forward(maps))
    return float((found[0] - found[1]).abs().max())


def _strange(layer: nn.Module) -> Iterator[str]:
    """Each module that the fast form replaces without calling it and that differs from the architecture's own."""
    for name, module in layer.named_modules():
        if name.endswith("activation") and type(module) not in (nn.ReLU, nn.Identity):
            yield f"{type(module).__name__} for its activation, not ReLU"
        if name.endswith("normalization"):
            if type(module) is not nn.BatchNorm2d or not module.track_running_stats or module.bias is None:
                yield "another normalisation than BatchNorm2d"
            elif module.weight.dtype != torch.float32:
                yield f"a normalisation in {module.weight.dtype}"
        called = module is layer or isinstance(module, nn.Conv2d)
        if not called and (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks):
            yield f"hooks on {name}"
