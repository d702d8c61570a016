"""The two halves of an encoder layer, each one autograd function: attention and feed-forward, with their residuals.

Products run in the precision of autocast, everything else in fp32: the residual stream, normalisations, softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dianji.engine.lean.attention import Attended, Shape, attend, attend_backward
from dianji.engine.lean.noise import Noise
from dianji.engine.lean.products import Gradients, Product


@dataclass(frozen=True)
class Half:
    """What attention and feed-forward share: a body between a residual and a normalisation."""

    first: Product
    last: Product
    norm: nn.LayerNorm
    norm_first: bool  # before the body (ViT) or after the residual (BERT)

    @property
    def parameters(self) -> list[Tensor]:
        """In the order of the gradients."""
        return [*self.first.parameters, *self.last.parameters, self.norm.weight, self.norm.bias]


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative's product with a gradient."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]  # (gradient, what went in)


@dataclass(frozen=True)
class Attention:
    """Self-attention's numbers for one call."""

    bias: Tensor | None
    shape: Shape
    scale: float
    noise: Noise


class _Saved(NamedTuple):
    """Tensors of one call, in the order in which they are saved."""

    x: Tensor  # the input, or its normalised form, as the products read it
    inner: Tensor  # what ``last`` reads
    normed: Tensor  # what the normalisation reads
    mean: Tensor | None
    rstd: Tensor | None
    kept: Tensor | None  # of the residual's dropout
    middle_first: Tensor | None
    middle_last: Tensor | None


class _Body(NamedTuple):
    """Between the two products."""

    forward: Callable[[Tensor], tuple[Tensor, tuple[Tensor | None, ...]]]
    backward: Callable[[Tensor, tuple[Tensor | None, ...]], Tensor]


def attention_half(x: Tensor, half: Half, attention: Attention, noise: Noise) -> Tensor:
    """(rows, width) fp32 to the same: attention, dropout, residual, normalisation."""
    shape, scale = attention.shape, attention.scale

    def forward(joined: Tensor) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        return attend(joined, attention.bias, shape, scale, attention.noise)

    def backward(grad: Tensor, saved: tuple[Tensor | None, ...]) -> Tensor:
        heads, weights, kept = saved
        if heads is None or weights is None:
            raise RuntimeError("attention saved nothing for its backward pass")
        return attend_backward(grad, Attended(heads, weights, kept), shape, scale, attention.noise)

    return _apply(x, half, _Body(forward, backward), noise)


def feed_forward_half(x: Tensor, half: Half, activation: Activation, noise: Noise) -> Tensor:
    """(rows, width) fp32 to the same: two products with an activation between, dropout, residual, normalisation."""

    def forward(wide: Tensor) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        return activation.forward(wide), (wide,)

    def backward(grad: Tensor, saved: tuple[Tensor | None, ...]) -> Tensor:
        (wide,) = saved
        if wide is None:
            raise RuntimeError("the activation saved nothing for its backward pass")
        return activation.backward(grad, wide)

    return _apply(x, half, _Body(forward, backward), noise)


def _apply(x: Tensor, half: Half, body: _Body, noise: Noise) -> Tensor:
    found: Tensor = _HalfLayer.apply(x, half, body, noise, *half.parameters)  # type: ignore[no-untyped-call]  # torch's
    return found


class _HalfLayer(torch.autograd.Function):
    """One half, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, half: Half, body: _Body, noise: Noise, *parameters: Tensor) -> Tensor:
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            source, mean, rstd = _norm(half.norm, x) if half.norm_first else (x, None, None)
            read = source.to(kind)
            wide, middle_first = half.first.forward(read)
            inner, inside = body.forward(wide)
            out, middle_last = half.last.forward(inner)
            kept = noise.draw(out.shape)
            # In place of x + dropout(out): one tensor is made, and the scale goes with the sum.
            total = noise.mask(out, kept).float() if out.dtype != x.dtype else noise.mask(out, kept)
            total = torch.add(x, total, alpha=noise.scale if kept is not None else 1.0)
            if half.norm_first:
                result, normed = total, x
            else:
                result, mean, rstd = _norm(half.norm, total)
                normed = total
        if any(ctx.needs_input_grad):
            ctx.half, ctx.body, ctx.noise, ctx.inside = half, body, noise, len(inside)
            saved = _Saved(read, inner, normed, mean, rstd, kept, middle_first, middle_last)
            ctx.save_for_backward(*saved, *inside)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        half, body, noise = ctx.half, ctx.body, ctx.noise
        tensors = ctx.saved_tensors
        saved, inside = _Saved(*tensors[: len(_Saved._fields)]), tensors[len(_Saved._fields) :]
        wanted = ctx.needs_input_grad[4:]
        counts = len(half.first.parameters), len(half.last.parameters)
        grad = grad.contiguous()
        norm_grads: Gradients = [None, None]
        if not half.norm_first:
            grad, *norm_grads = _norm_backward(half.norm, grad, saved)
        d_out = noise.apply(grad.to(saved.inner.dtype), saved.kept)
        last = half.last.gradients(d_out, saved.inner, saved.middle_last, wanted[counts[0] : sum(counts)])
        first: Gradients = [None] * counts[0]
        dx = grad if ctx.needs_input_grad[0] else None
        if dx is not None or any(wanted[: counts[0]]) or (half.norm_first and any(wanted[-2:])):
            d_wide = body.backward(half.last.input_gradient(d_out), inside)
            first = half.first.gradients(d_wide, saved.x, saved.middle_first, wanted[: counts[0]])
            if dx is not None or half.norm_first:
                inward = half.first.input_gradient(d_wide).float()
                if half.norm_first:
                    inward, *norm_grads = _norm_backward(half.norm, inward, saved)
                dx = None if dx is None else inward.add_(dx)
        return (dx, None, None, None, *first, *last, *norm_grads)


def _norm(norm: nn.LayerNorm, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.native_layer_norm(
        x, list(norm.normalized_shape), norm.weight, norm.bias, norm.eps
    )
    return found


def _norm_backward(norm: nn.LayerNorm, grad: Tensor, saved: _Saved) -> tuple[Tensor, Tensor | None, Tensor | None]:
    learns = norm.weight.requires_grad
    found: tuple[Tensor, Tensor | None, Tensor | None] = torch.ops.aten.native_layer_norm_backward(
        grad,
        saved.normed,
        list(norm.normalized_shape),
        saved.mean,
        saved.rstd,
        norm.weight,
        norm.bias,
        [True, learns, learns],
    )
    return found
