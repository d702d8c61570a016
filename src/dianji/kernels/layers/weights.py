"""A joined weight that is ready to be multiplied with, in both directions: by torch, or in the tiles of AMX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dianji.kernels.native import encoder, library, tiles

#: Whether torch has oneDNN's product with an addition in it, as inductor uses it, and oneDNN multiplies bf16 on this
#: processor: without AVX-512 it refuses to, while torch's own product does it in another way.
ONEDNN = (
    torch._C._has_mkldnn
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
)


class Activated(NamedTuple):
    """The gelu of a product, and what went into it, if that was to be kept."""

    after: Tensor
    before: Tensor | None


class Weight(Protocol):
    """(out, in), with its bias. Rows are in its precision, T, and contiguous."""

    def forward(self, x: Tensor) -> Tensor:
        """(rows, in) to (rows, out), T: the product and the bias."""
        ...

    def activated(self, x: Tensor, *, keep: bool) -> Activated | None:
        """The gelu of ``forward`` in one go; None where that is not to be had."""
        ...

    def backward(self, dy: Tensor) -> Tensor:
        """(rows, out) to (rows, in), T."""
        ...

    def backward_wide(self, dy: Tensor, added: Tensor | None) -> Tensor:
        """The same in fp32, with what is added to it, fp32."""
        ...

    def backward_gelu(self, dy: Tensor, before: Tensor) -> tuple[Tensor, Tensor] | None:
        """From the gradient of the product with a gelu to that of what went into it, T, and its rows' sum; or None."""
        ...

    def gradient(self, dy: Tensor, x: Tensor) -> Tensor:
        """Its own, fp32."""
        ...


@dataclass(frozen=True)
class Plain:
    """By torch; in bf16 by oneDNN."""

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, weights: Sequence[Tensor], bias: Tensor | None, kind: torch.dtype, before: Weight | None) -> Plain:
        """Cast, into the memory of the one before."""
        room = before.weight if isinstance(before, Plain) and before.weight.dtype == kind else None
        return cls(_joined(weights, kind, room), None if bias is None else bias.to(kind))

    def forward(self, x: Tensor) -> Tensor:
        """See ``Weight``."""
        return linear(x, self.weight, self.bias)

    def activated(self, x: Tensor, *, keep: bool) -> Activated | None:
        """See ``Weight``."""
        if keep or x.dtype != torch.bfloat16 or not ONEDNN:
            return None
        return Activated(torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "gelu", [], "none"), None)

    def backward(self, dy: Tensor) -> Tensor:
        """See ``Weight``."""
        return dy @ self.weight

    def backward_wide(self, dy: Tensor, added: Tensor | None) -> Tensor:
        """See ``Weight``."""
        return fp32(dy @ self.weight) if added is None else fp32_sum(dy @ self.weight, added)

    def backward_gelu(self, dy: Tensor, before: Tensor) -> tuple[Tensor, Tensor] | None:
        """See ``Weight``."""
        return None

    def gradient(self, dy: Tensor, x: Tensor) -> Tensor:
        """See ``Weight``."""
        return fp32((turned(dy) if dy.shape[1] < x.shape[1] else dy.t()) @ x)


@dataclass(frozen=True)
class Tiled:
    """In the tiles of AMX, for products in bf16 of fp32 weights."""

    packed: tiles.Packed
    bias: Tensor | None

    @classmethod
    def of(cls, weights: Sequence[Tensor], bias: Tensor | None, before: Weight | None) -> Tiled:
        """Packed, into the memory of the one before."""
        return cls(tiles.pack(weights, before.packed if isinstance(before, Tiled) else None), bias)

    def forward(self, x: Tensor) -> Tensor:
        """See ``Weight``."""
        return tiles.forward(x, self.packed, self.bias)

    def activated(self, x: Tensor, *, keep: bool) -> Activated | None:
        """See ``Weight``."""
        return Activated(*tiles.forward_gelu(x, self.packed, self.bias, keep=keep))

    def backward(self, dy: Tensor) -> Tensor:
        """See ``Weight``."""
        return tiles.backward(dy, self.packed)

    def backward_wide(self, dy: Tensor, added: Tensor | None) -> Tensor:
        """See ``Weight``."""
        return tiles.backward_wide(dy, self.packed, added)

    def backward_gelu(self, dy: Tensor, before: Tensor) -> tuple[Tensor, Tensor] | None:
        """See ``Weight``."""
        return tiles.backward_gelu(dy, self.packed, before)

    def gradient(self, dy: Tensor, x: Tensor) -> Tensor:
        """See ``Weight``."""
        return tiles.gradient(dy, x)


def ready(weights: Sequence[Tensor], bias: Tensor | None, kind: torch.dtype, before: Weight | None) -> Weight:
    """The fastest way here.

    Args:
        weights: (out, in) each, which are joined one below the other.
        bias: of all of them, or none.
        kind: of what is multiplied.
        before: what is of no more use, whose memory may be taken.
    """
    if kind == torch.bfloat16 and tiled(weights):
        return Tiled.of(weights, bias if bias is None else bias.float(), before)
    return Plain.of(weights, bias, kind, before)


def tiled(weights: Sequence[Tensor]) -> bool:
    """Whether products in bf16 are in tiles."""
    return tiles.fits(weights) and tiles.available()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As torch's, without gradients: (rows, in) and (out, in) to (rows, out).

    In bf16 oneDNN adds the bias while it multiplies; ``addmm`` would first spread it over the whole result.
    """
    if bias is None:
        return torch.mm(x, weight.t())
    if x.dtype == torch.bfloat16 and ONEDNN:
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return found
    return torch.addmm(bias, x, weight.t())


def fp32(tensor: Tensor) -> Tensor:
    """A contiguous tensor as it is, or a bf16 one widened."""
    return encoder.widen(tensor) if _compiled(tensor) else tensor.float()


def turned(tensor: Tensor) -> Tensor:
    """A contiguous matrix transposed; bf16 in memory too: a narrow one takes oneDNN longer to turn than to multiply."""
    return encoder.transpose(tensor) if _compiled(tensor) else tensor.t()


def fp32_sum(tensor: Tensor, other: Tensor) -> Tensor:
    """Of a contiguous tensor in the products' precision and one in fp32; neither is written to."""
    return encoder.add_wide(tensor, other) if _compiled(tensor) else tensor.float() + other


def _compiled(tensor: Tensor) -> bool:
    return tensor.dtype == torch.bfloat16 and library.available()


def _joined(tensors: Sequence[Tensor], dtype: torch.dtype, into: Tensor | None) -> Tensor:
    """One below the other, in ``dtype``; a single one of that type is taken as it is."""
    if len(tensors) == 1 and tensors[0].dtype == dtype:
        return tensors[0].detach()
    if into is None:
        into = torch.empty((sum(map(len, tensors)), *tensors[0].shape[1:]), dtype=dtype)
    first = 0
    for tensor in tensors:
        into[first : first + len(tensor)].copy_(tensor)
        first += len(tensor)
    return into
