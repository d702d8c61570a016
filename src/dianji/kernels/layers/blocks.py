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

from dianji.kernels.layers.between import (
    Activation,
    Attention,
    Before,
    Between,
    Inside,
    add,
    known,
    normalise,
    normalise_backward,
)
from dianji.kernels.layers.noise import Noise
from dianji.kernels.layers.products import ParameterGradients, Product


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

    @property
    def weights(self) -> list[Tensor]:
        """What of the parameters the backward pass reads again."""
        return [*self.first.weights, *self.last.weights, self.norm.weight]


class States(NamedTuple):
    """(rows, width), fp32; and as products read them, where that is at hand."""

    wide: Tensor
    narrow: Tensor | None = None


class _Saved(NamedTuple):
    """Tensors of one call, in the order in which they are saved."""

    x: Tensor  # the input, or its normalised form, as the products read it
    inner: Tensor  # what ``last`` reads
    normed: Tensor | None  # what the normalisation reads
    mean: Tensor | None
    rstd: Tensor | None
    kept: Tensor | None  # of the residual's dropout
    middle_first: Tensor | None
    middle_last: Tensor | None


class _Body(NamedTuple):
    """Between the two products."""

    forward: Callable[[Tensor], tuple[Tensor, Inside]]
    is_gelu: bool
    backward: Callable[[Tensor, Inside], tuple[Tensor, Tensor | None]]  # also the sum of rows, where it is known


def attention_half(x: States, half: Half, attention: Attention, noise: Noise, by: Between) -> States:
    """Attention, dropout, residual, normalisation."""

    def forward(joined: Tensor) -> tuple[Tensor, Inside]:
        return by.attend(joined, attention)

    def backward(grad: Tensor, inside: Inside) -> tuple[Tensor, Tensor | None]:
        return by.attend_backward(grad, inside, attention)

    return _apply(x, half, _Body(forward, False, backward), noise, by)


def feed_forward_half(x: States, half: Half, activation: Activation, noise: Noise, by: Between) -> States:
    """Two products with an activation between, dropout, residual, normalisation."""

    def forward(wide: Tensor) -> tuple[Tensor, Inside]:
        return activation.forward(wide), (wide,)

    def backward(grad: Tensor, inside: Inside) -> tuple[Tensor, Tensor | None]:
        (wide,) = inside
        return by.activate_backward(grad, known(wide), activation)

    return _apply(x, half, _Body(forward, activation.is_gelu, backward), noise, by)


def _apply(x: States, half: Half, body: _Body, noise: Noise, by: Between) -> States:
    parameters = half.parameters
    learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x.wide, *parameters))
    call = _Call(half, body, noise, by, learns, x.narrow)
    if not learns:
        return _forward(x.wide, call)[0]
    return States(*_HalfLayer.apply(x.wide, call, *parameters))  # type: ignore[no-untyped-call]  # torch's


class _Call(NamedTuple):
    """What a half is called with, beside tensors."""

    half: Half
    body: _Body
    noise: Noise
    by: Between
    learns: bool
    narrow: Tensor | None


def _forward(x: Tensor, call: _Call) -> tuple[States, _Saved, Inside]:
    """The result, and what the backward pass needs."""
    half, body, noise, by, learns, narrow = call
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    with torch.autocast("cpu", enabled=False):
        source, mean, rstd = normalise(half.norm, x) if half.norm_first else (x, None, None)
        at_hand = narrow is not None and narrow.dtype == kind and not half.norm_first
        read = narrow if narrow is not None and at_hand else source.to(kind)
        activated = half.first.activated(read, keep=learns) if body.is_gelu else None
        inside: Inside = ()
        if activated is not None:
            inner, inside, middle_first = activated.after, (activated.before,), None
        else:
            wide, middle_first = half.first.forward(read)
            inner, inside = body.forward(wide)
        out, middle_last = half.last.forward(inner)
        if half.norm_first:
            kept = noise.draw(out.shape)
            result, narrow, before = add(out, x, noise, kept), None, Before(x, mean, rstd, kept)
        else:
            result, narrow, before = by.add_norm(out, x, half.norm, noise, learns=learns)
    return States(result, narrow), _Saved(read, inner, *before, middle_first, middle_last), inside


class _HalfLayer(torch.autograd.Function):
    """One half, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: _Call, *parameters: Tensor) -> States:
        found, saved, inside = _forward(x, call)
        ctx.set_materialize_grads(False)
        if found.narrow is not None:
            ctx.mark_non_differentiable(found.narrow)
        ctx.call = call._replace(narrow=None)
        # The weights too, so that autograd refuses to go back if one was written to in between.
        ctx.save_for_backward(*saved, *inside, *call.half.weights)
        ctx.inside = len(inside)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
        half, body, noise, by, _learns, _narrow = ctx.call
        tensors = ctx.saved_tensors
        first_inside = len(_Saved._fields)
        saved, inside = _Saved(*tensors[:first_inside]), tensors[first_inside : first_inside + ctx.inside]
        wanted = ctx.needs_input_grad[2:]
        counts = len(half.first.parameters), len(half.last.parameters)
        grad, kind = grad.contiguous(), saved.inner.dtype
        norm_grads: ParameterGradients = [None, None]
        if half.norm_first:
            d_out, last_bias = noise.apply(grad.to(kind), saved.kept), None
        else:
            before = Before(saved.normed, saved.mean, saved.rstd, saved.kept)
            grad, d_out, *norm_grads, last_bias = by.add_norm_backward(grad, before, half.norm, noise, kind)
        last = half.last.gradients(d_out, saved.inner, saved.middle_last, wanted[counts[0] : sum(counts)], last_bias)
        first: ParameterGradients = [None] * counts[0]
        dx = grad if ctx.needs_input_grad[0] else None
        if dx is not None or any(wanted[: counts[0]]) or (half.norm_first and any(wanted[-2:])):
            d_wide, first_bias = _through(half, body, d_out, inside)
            first = half.first.gradients(d_wide, saved.x, saved.middle_first, wanted[: counts[0]], first_bias)
            if half.norm_first:
                inward = half.first.input_gradient_wide(d_wide)
                normed = known(saved.normed)
                inward, *norm_grads = normalise_backward(half.norm, inward, normed, saved.mean, saved.rstd)
                dx = None if dx is None else inward + dx
            elif dx is not None:
                dx = half.first.input_gradient_wide(d_wide, dx)
        norm_grads = [found if want else None for found, want in zip(norm_grads, wanted[-2:], strict=True)]
        return (dx, None, *first, *last, *norm_grads)


def _through(half: Half, body: _Body, d_out: Tensor, inside: Inside) -> tuple[Tensor, Tensor | None]:
    """From the gradient of what the last product gave to that of what the first gave; and its rows' sum, if known."""
    if body.is_gelu and inside[0] is not None:
        found = half.last.input_gradient_gelu(d_out, inside[0])
        if found is not None:
            return found
    return body.backward(half.last.input_gradient(d_out), inside)
