"""A whole layer as one autograd function of two calls, where compiled kernels and tiles do all of it in bf16.

It is what its two halves compute, bit for bit, without the time that Python takes between their kernels. Where a layer
is of another kind, or learns in part, or has a low-rank addition, the halves are computed one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dianji.kernels.layers.between import Attention, Between, Compiled, drop_of, heads_of, known
from dianji.kernels.layers.blocks import States
from dianji.kernels.layers.families import Layer
from dianji.kernels.layers.noise import Noise
from dianji.kernels.layers.weights import Tiled
from dianji.kernels.native import layer
from dianji.kernels.native.structs import SIDE


def whole_layer(x: States, parts: Layer, attention: Attention, after: Sequence[Noise], by: Between) -> States | None:
    """What the layer's halves give, at once; None: it is not to be had so.

    Args:
        x: the layer's rows.
        parts: of the layer.
        attention: as for ``attention_half``.
        after: dropout after attention and after feed-forward.
        by: what lies between the products.
    """
    if not (parts.is_common and _fits(x.wide, parts, attention, by)):
        return None
    parameters = parts.parameters
    learning = {parameter.requires_grad for parameter in parameters} if torch.is_grad_enabled() else {False}
    learns = True in learning
    if len(learning) > 1 or (torch.is_grad_enabled() and x.wide.requires_grad and not learns):
        return None
    casts = [product.cast(torch.bfloat16).weight for product in parts.products]
    linears = [layer.Linear(of.packed, of.bias) for of in casts if isinstance(of, Tiled) and of.bias is not None]
    if len(linears) != len(casts):
        return None
    noises = (attention.noise, *after)
    seeds = iter(torch.randint(2**62, (sum(noise.on for noise in noises),)).tolist())
    seed, *others = (next(seeds) if noise.on else None for noise in noises)
    norms = zip((parts.attention.norm, parts.feed_forward.norm), after, others, strict=True)
    whole = layer.Whole(
        heads_of(attention, seed),
        tuple(linears),  # type: ignore[arg-type]  # four of them
        tuple(layer.Norm(norm.weight, norm.bias, norm.eps, drop_of(noise, its)) for norm, noise, its in norms),  # type: ignore[arg-type]  # two
    )
    read = x.wide.to(torch.bfloat16) if x.narrow is None else x.narrow
    if not learns:
        found = layer.forward(x.wide, read, whole, keep=False)
        return States(found.result, found.narrow)
    return States(*_WholeLayer.apply(x.wide, _Call(parts, whole, read), *parameters))  # type: ignore[no-untyped-call]  # torch's


def _fits(x: Tensor, parts: Layer, attention: Attention, by: Between) -> bool:
    """Whether these rows are multiplied in bf16 and the kernels know their form."""
    bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    rows = x.dtype == torch.float32 and x.is_contiguous() and x.shape[0] >= SIDE
    return (
        bf16
        and rows
        and isinstance(by, Compiled)
        and by.knows(attention, parts.attention.norm, parts.feed_forward.norm)
    )


class _Call(NamedTuple):
    """What a layer is called with, beside tensors that may learn."""

    parts: Layer
    whole: layer.Whole
    read: Tensor | None


class _WholeLayer(torch.autograd.Function):
    """One layer, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: _Call, *_: Tensor) -> tuple[Tensor, Tensor]:
        passed = layer.forward(x, known(call.read), call.whole, keep=True)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(passed.narrow)
        # The weights too, so that autograd refuses to go back if one was written to in between.
        ctx.save_for_backward(call.read, passed.numbers, passed.halves, *call.parts.weights)
        ctx.call, ctx.frame = call._replace(read=None), passed.frame
        return passed.result, passed.narrow

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
        parts, whole, _read = ctx.call
        held = ctx.saved_tensors  # whose addresses the frame has
        found = layer.backward(grad.contiguous(), ctx.frame, whole, inward=ctx.needs_input_grad[0])
        del held
        each = zip(parts.products, found.weights, found.biases, strict=True)
        joined, output, up, down = ((*product.split(weight), *product.split(bias)) for product, weight, bias in each)
        return (found.x, None, *joined, *output, *found.norms[:2], *up, *down, *found.norms[2:])
