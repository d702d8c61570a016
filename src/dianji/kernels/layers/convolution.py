"""Convolutions, whose weights get their gradients from matrix products where that is faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dianji.kernels.native import encoder, library, maps
from dianji.kernels.native.maps import SlidingWindows

#: From so many channels on, oneDNN takes longer for a weight's gradient than a product over unfolded maps does.
LEAST_CHANNELS = 64
#: Numbers of unfolded maps: more leave all caches, and memory that is kept from step to step.
MOST_UNFOLDED = 2**23


def convolve(x: Tensor, convolution: nn.Module) -> Tensor:
    """As the module would: (batch, channels, height, width) to the same, in the precision of autocast."""
    if not convolution.training or not _plain(convolution) or not library.available():
        found: Tensor = convolution(x)
        return found
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    out: Tensor = _Convolution.apply(x, convolution.weight, convolution, kind)  # type: ignore[no-untyped-call]  # torch's
    return out


class _Convolution(torch.autograd.Function):
    """Without a bias, which batch norm would take away again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, convolution: nn.Conv2d, kind: torch.dtype) -> Tensor:
        ctx.convolution = convolution
        with torch.autocast("cpu", enabled=False):
            x = x.to(kind, memory_format=torch.channels_last)
            cast = weight.to(kind, memory_format=torch.channels_last)
            ctx.save_for_backward(x, cast)
            return functional.conv2d(x, cast, None, convolution.stride, convolution.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        dx, dw = ctx.needs_input_grad[:2]
        windows = _windows(ctx.convolution) if dw else None
        if windows is None or not _unfolds(x, grad, windows):
            return *_by_torch(grad, x, weight, ctx.convolution, dx=dx, dw=dw), None, None
        found, _ = _by_torch(grad, x, weight, ctx.convolution, dx=dx, dw=False)
        rows = grad.permute(0, 2, 3, 1).reshape(-1, grad.shape[1])
        product = encoder.transpose(rows) @ maps.unfold(x.permute(0, 2, 3, 1), windows)
        whole = encoder.widen(product).view(len(weight), windows.size, windows.size, -1).permute(0, 3, 1, 2)
        return found, whole, None, None


def _by_torch(
    grad: Tensor, x: Tensor, weight: Tensor, convolution: nn.Conv2d, *, dx: bool, dw: bool
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of ``x``, and of the weight in fp32."""
    if not dx and not dw:
        return None, None
    places = list(convolution.stride), list(convolution.padding), [1, 1], False, [0, 0], 1
    found, whole, _ = torch.ops.aten.convolution_backward(grad, x, weight, None, *places, [dx, dw, False])
    return found if dx else None, whole.float() if dw else None


def _plain(module: nn.Module) -> bool:
    """What the function above computes: nothing that an adapter or a hook would have changed."""
    if type(module) is not nn.Conv2d or module.bias is not None or module.weight.dtype != torch.float32:
        return False
    hooks = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
    simple = module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
    return simple and not hooks and not isinstance(module.padding, str)


def _windows(convolution: nn.Conv2d) -> SlidingWindows | None:
    sides = convolution.kernel_size, convolution.stride, convolution.padding
    if any(isinstance(side, str) or len(set(side)) > 1 for side in sides):
        return None
    return SlidingWindows(*(int(side[0]) for side in sides))


def _unfolds(x: Tensor, grad: Tensor, windows: SlidingWindows) -> bool:
    """Whether the weight's gradient is a product."""
    if grad.dtype != torch.bfloat16 or grad.shape[1] < LEAST_CHANNELS:
        return False
    return grad.numel() // grad.shape[1] * windows.size**2 * x.shape[1] <= MOST_UNFOLDED
