"""What follows a convolution, in few passes over memory: batch norm, a residual, ReLU, max pooling.

In training, where there are compiled kernels, each is one autograd function. Statistics are fp32, and running ones move
as torch's do; maps are in the convolutions' precision. All else is left to torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dianji.kernels.native import library, maps
from dianji.kernels.native.maps import Map, Moments, Running, SlidingWindows


def norm_relu(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """``relu(norm(x))``, (batch, channels, height, width)."""
    if not _compiled(norm, x):
        return functional.relu(norm(x))
    return _apply(_NormAddRelu, x, norm.weight, norm.bias, None, None, None, norm, None)


def norm_add_relu(x: Tensor, norm: nn.BatchNorm2d, beside: Tensor, beside_norm: nn.BatchNorm2d | None) -> Tensor:
    """``relu(norm(x) + beside)``, where what is beside may have a normalisation of its own."""
    if beside_norm is None:
        if not _compiled(norm, x, beside):
            return functional.relu(norm(x) + beside)
        return _apply(_NormAddRelu, x, norm.weight, norm.bias, beside, None, None, norm, None)
    if not _compiled(norm, x, beside) or not _compiled(beside_norm, x, beside):
        return functional.relu(norm(x) + beside_norm(beside))
    both = beside, beside_norm.weight, beside_norm.bias
    return _apply(_NormAddRelu, x, norm.weight, norm.bias, *both, norm, beside_norm)


def norm_relu_pool(x: Tensor, norm: nn.BatchNorm2d, pool: nn.MaxPool2d) -> Tensor:
    """``pool(relu(norm(x)))``."""
    windows = _windows(pool)
    if windows is None or not _compiled(norm, x) or not maps.pools(x.shape, windows):
        found: Tensor = pool(functional.relu(norm(x)))
        return found
    return _apply(_NormReluPool, x, norm.weight, norm.bias, norm, windows)


class _NormAddRelu(torch.autograd.Function):
    """``relu(norm(x))`` or ``relu(norm(x) + beside)``; gains and shifts are arguments so that they get gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        shift: Tensor,
        beside: Tensor | None,
        beside_gain: Tensor | None,
        beside_shift: Tensor | None,
        norm: nn.BatchNorm2d,
        beside_norm: nn.BatchNorm2d | None,
    ) -> Tensor:
        one = _normalised(x, norm)
        two = None
        if beside is not None:
            two = Map(_rows(beside)) if beside_norm is None else _normalised(beside, beside_norm)
        out = maps.norm_relu(one, two)
        ctx.save_for_backward(out, *_tensors(one), *_tensors(two))
        return _channels_second(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        out, *tensors = ctx.saved_tensors
        one, two = _map(*tensors[:5]), _map(*tensors[5:])
        found = maps.norm_relu_backward(_rows(grad), out, one, two)
        beside = None if found.two is None else _channels_second(found.two)
        grads = _channels_second(found.one), found.gain_one, found.shift, beside, found.gain_two, found.shift
        return *_wanted(ctx, *grads), None, None


class _NormReluPool(torch.autograd.Function):
    """``pool(relu(norm(x)))``; what relu gives is never written down."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, norm: nn.BatchNorm2d, windows: SlidingWindows
    ) -> Tensor:
        one = _normalised(x, norm)
        out, place = maps.norm_relu_pool(one, windows)
        ctx.windows = windows
        ctx.save_for_backward(place, *_tensors(one))
        return _channels_second(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        place, *tensors = ctx.saved_tensors
        one = _map(*tensors)
        whole = maps.unpool(_rows(grad), place, ctx.windows, one.x)
        found = maps.norm_relu_backward(whole, None, one, None)
        return *_wanted(ctx, _channels_second(found.one), found.gain_one, found.shift), None, None


def _apply(function: Any, *arguments: object) -> Tensor:
    found: Tensor = function.apply(*arguments)
    return found


def _wanted(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    return tuple(grad if want else None for grad, want in zip(grads, ctx.needs_input_grad, strict=False))


def _compiled(norm: nn.BatchNorm2d, *maps_: Tensor) -> bool:
    """Whether the kernels do it. One value per channel is left for torch to refuse."""
    x = maps_[0]
    fits = x.numel() > norm.num_features and all(x.shape == other.shape and x.dtype == other.dtype for other in maps_)
    return norm.training and fits and maps.knows(x) and library.available()


def _normalised(x: Tensor, norm: nn.BatchNorm2d) -> Map:
    """A map with its moments, which move the running ones."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        raise RuntimeError("a normalisation without running statistics has no fast form")
    norm.num_batches_tracked.add_(1)
    factor = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    rows = _rows(x)
    moments = maps.moments(rows, norm.eps, Running(norm.running_mean, norm.running_var, factor))
    return Map(rows, moments, norm.weight.detach(), norm.bias.detach())


def _windows(pool: nn.MaxPool2d) -> SlidingWindows | None:
    """Square windows without any that are dilated or go past the end."""
    size, stride, pad = pool.kernel_size, pool.stride, pool.padding
    if type(pool) is not nn.MaxPool2d or pool.dilation != 1 or pool.ceil_mode or pool.return_indices:
        return None
    if not (isinstance(size, int) and isinstance(stride, int) and isinstance(pad, int)):
        return None
    return SlidingWindows(size, stride, pad)


def _rows(x: Tensor) -> Tensor:
    """(batch, height, width, channels), as channels-last maps lie in memory."""
    return x.permute(0, 2, 3, 1).contiguous()


def _channels_second(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _tensors(of: Map | None) -> tuple[Tensor | None, ...]:
    """What ``_map`` makes the map of again."""
    if of is None:
        return (None,) * 5
    return of.x, *(of.moments or (None, None)), of.gain, of.shift


def _map(x: Tensor | None, mean: Tensor | None, rstd: Tensor | None, gain: Tensor | None, shift: Tensor | None) -> Any:
    if x is None:
        return None
    return Map(x) if mean is None or rstd is None else Map(x, Moments(mean, rstd), gain, shift)
