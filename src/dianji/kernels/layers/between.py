"""What lies between the matrix products of a layer: by torch's operations, or by kernels that were compiled here.

Both compute the same in fp32, but for rounding and for which elements dropout happens to hit: each draws its masks in
its own way from one number of torch's generator. The compiled ones draw a mask again where the backward pass needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dianji.kernels.layers.attention import Attended, AttentionShape, attend, attend_backward
from dianji.kernels.layers.noise import Noise
from dianji.kernels.native import build, encoder, library
from dianji.kernels.random_bits import LEVELS

#: Tensors that a forward pass leaves for its backward pass.
Inside = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Activation:
    """An activation and its derivative's product with a gradient."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]  # (gradient, what went in)
    is_gelu: bool = False  # with the exact error function


@dataclass(frozen=True)
class Attention:
    """Self-attention's numbers for one call.

    ``starts``: where each example's rows begin, and where the last end; None: each has ``shape.time``.
    """

    bias: Tensor | None
    shape: AttentionShape
    scale: float
    noise: Noise
    starts: Tensor | None = None


class Before(NamedTuple):
    """What a normalisation read (none if nothing learns), what its backward pass needs, and what dropout kept."""

    total: Tensor | None
    mean: Tensor | None
    rstd: Tensor | None
    kept: Tensor | None


class Added(NamedTuple):
    """A residual, normalised: fp32; the same as T, where it is at hand; and what the backward pass needs."""

    result: Tensor
    narrow: Tensor | None
    before: Before


class ResidualGradients(NamedTuple):
    """Of a dropout, a residual and a normalisation.

    ``total``: of the residual. ``out``: of what was added to it. ``bias``: the sum of ``out``'s rows, if known.
    """

    total: Tensor
    out: Tensor
    gain: Tensor | None
    shift: Tensor | None
    bias: Tensor | None


class Between(Protocol):
    """All that a layer does but matrix products. (rows, width) everywhere; ``T`` is the products' precision."""

    #: Whether attention knows ``starts``.
    packs: ClassVar[bool]

    def attend(self, joined: Tensor, how: Attention) -> tuple[Tensor, Inside]:
        """Queries, keys and values side by side, T, to what the heads have mixed, T."""
        ...

    def attend_backward(self, grad: Tensor, inside: Inside, how: Attention) -> tuple[Tensor, Tensor | None]:
        """The gradient of ``joined``, and the sum of its rows where that is known."""
        ...

    def activate_backward(self, grad: Tensor, x: Tensor, activation: Activation) -> tuple[Tensor, Tensor | None]:
        """The gradient of ``x``, and the sum of its rows where that is known."""
        ...

    def add_norm(self, out: Tensor, x: Tensor, norm: nn.LayerNorm, noise: Noise, *, learns: bool) -> Added:
        """``norm(x + dropout(out))``; ``out`` is T, ``x`` fp32. ``learns``: whether a backward pass follows."""
        ...

    def add_norm_backward(
        self, grad: Tensor, before: Before, norm: nn.LayerNorm, noise: Noise, kind: torch.dtype
    ) -> ResidualGradients:
        """From the gradient of ``result``, fp32; that of ``out`` is in ``kind``."""
        ...


class ByTorch:
    """In torch's operations."""

    packs: ClassVar[bool] = False

    def attend(self, joined: Tensor, how: Attention) -> tuple[Tensor, Inside]:
        """See ``Between``."""
        return attend(joined, how.bias, how.shape, how.scale, how.noise)

    def attend_backward(self, grad: Tensor, inside: Inside, how: Attention) -> tuple[Tensor, Tensor | None]:
        """See ``Between``."""
        heads, weights, kept = inside
        attended = Attended(known(heads), known(weights), kept)
        return attend_backward(grad, attended, how.shape, how.scale, how.noise), None

    def activate_backward(self, grad: Tensor, x: Tensor, activation: Activation) -> tuple[Tensor, Tensor | None]:
        """See ``Between``."""
        return activation.backward(grad, x), None

    def add_norm(self, out: Tensor, x: Tensor, norm: nn.LayerNorm, noise: Noise, *, learns: bool) -> Added:
        """See ``Between``."""
        kept = noise.draw(out.shape)
        total = add(out, x, noise, kept)
        result, mean, rstd = normalise(norm, total)
        return Added(result, None, Before(total, mean, rstd, kept))

    def add_norm_backward(
        self, grad: Tensor, before: Before, norm: nn.LayerNorm, noise: Noise, kind: torch.dtype
    ) -> ResidualGradients:
        """See ``Between``."""
        total, gain, shift = normalise_backward(norm, grad, known(before.total), before.mean, before.rstd)
        return ResidualGradients(total, noise.apply(total.to(kind), before.kept), gain, shift, None)


class Compiled(ByTorch):
    """In single passes by compiled kernels; what they do not know is left to torch."""

    packs: ClassVar[bool] = True

    def attend(self, joined: Tensor, how: Attention) -> tuple[Tensor, Inside]:
        """See ``Between``. A mask is known by its seed."""
        if not self._attends(how):
            return super().attend(joined, how)
        seed = _seed(how.noise)
        mixed, sums = encoder.attend(joined, heads_of(how, seed))
        return mixed, (joined, sums, seed)

    def attend_backward(self, grad: Tensor, inside: Inside, how: Attention) -> tuple[Tensor, Tensor | None]:
        """See ``Between``."""
        if not self._attends(how):
            return super().attend_backward(grad, inside, how)
        joined, sums, seed = inside
        return encoder.attend_backward(grad.contiguous(), known(joined), known(sums), heads_of(how, seed))

    def activate_backward(self, grad: Tensor, x: Tensor, activation: Activation) -> tuple[Tensor, Tensor | None]:
        """See ``Between``."""
        if not activation.is_gelu:
            return super().activate_backward(grad, x, activation)
        return encoder.gelu_backward(grad, x)

    def add_norm(self, out: Tensor, x: Tensor, norm: nn.LayerNorm, noise: Noise, *, learns: bool) -> Added:
        """See ``Between``. A mask is known by its seed."""
        if not self._norms(norm):
            return super().add_norm(out, x, norm, noise, learns=learns)
        seed = _seed(noise)
        found = encoder.add_norm(
            out, x.contiguous(), norm.weight, norm.bias, norm.eps, drop_of(noise, seed), keep=learns
        )
        return Added(found.result, found.narrow, Before(found.total, found.mean, found.rstd, seed))

    def add_norm_backward(
        self, grad: Tensor, before: Before, norm: nn.LayerNorm, noise: Noise, kind: torch.dtype
    ) -> ResidualGradients:
        """See ``Between``."""
        if before.mean is None or before.rstd is None or not self._norms(norm):
            return super().add_norm_backward(grad, before, norm, noise, kind)
        drop = drop_of(noise, before.kept)
        found = encoder.add_norm_backward(grad, known(before.total), before.mean, before.rstd, norm.weight, drop, kind)
        return ResidualGradients(*found)

    def knows(self, how: Attention, *norms: nn.LayerNorm) -> bool:
        """Whether nothing of a layer with these is left to torch, if its activation is gelu."""
        return self._attends(how) and all(self._norms(norm) for norm in norms)

    @staticmethod
    def _attends(how: Attention) -> bool:
        return encoder.attends(how.shape.time, how.shape.width)

    @staticmethod
    def _norms(norm: nn.LayerNorm) -> bool:
        fp32 = norm.weight.dtype == torch.float32
        return fp32 and len(norm.normalized_shape) == 1 and norm.normalized_shape[0] <= encoder.MOST_WIDTH


def between() -> Between:
    """The compiled ones where they can be had."""
    return Compiled() if library.available() else ByTorch()


def describe() -> str:
    """Which of them, in words, and why."""
    return build.built().description


def known(tensor: Tensor | None) -> Tensor:
    """What a forward pass has saved.

    Raises:
        RuntimeError: it has not.
    """
    if tensor is None:
        raise RuntimeError("a layer saved nothing for its backward pass")
    return tensor


def add(out: Tensor, x: Tensor, noise: Noise, kept: Tensor | None) -> Tensor:
    """X + dropout(out), fp32. One tensor is made, and the scale goes with the sum."""
    masked = noise.mask(out, kept)
    return torch.add(x, masked.float(), alpha=noise.scale if kept is not None else 1.0)


def normalise(norm: nn.LayerNorm, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The result, each row's mean and 1 / deviation."""
    found: tuple[Tensor, Tensor, Tensor] = torch.native_layer_norm(
        x, list(norm.normalized_shape), norm.weight, norm.bias, norm.eps
    )
    return found


def normalise_backward(
    norm: nn.LayerNorm, grad: Tensor, x: Tensor, mean: Tensor | None, rstd: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The gradients of ``x``, and of gain and shift where they learn."""
    learns = norm.weight.requires_grad
    found: tuple[Tensor, Tensor | None, Tensor | None] = torch.ops.aten.native_layer_norm_backward(
        grad, x, list(norm.normalized_shape), mean, rstd, norm.weight, norm.bias, [True, learns, learns]
    )
    return found


def _seed(noise: Noise) -> Tensor | None:
    return torch.randint(2**62, ()) if noise.on else None


def drop_of(noise: Noise, seed: Tensor | int | None) -> encoder.Drop:
    """As the kernels take it; a mask is known by its seed."""
    if seed is None:
        return encoder.Drop()
    return encoder.Drop(int(seed), round(noise.rate * LEVELS), noise.scale, noise.places)


def heads_of(how: Attention, seed: Tensor | int | None) -> encoder.Heads:
    """As the kernels take it."""
    bias = None
    if how.bias is not None:
        bias = how.bias if how.bias.stride(-1) == 1 else how.bias.contiguous()
    return encoder.Heads(*how.shape, how.scale, bias, drop_of(how.noise, seed), how.starts)
