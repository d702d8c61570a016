"""Matrix products of a layer: linear modules side by side, their weights cast once a step, their gradients by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from dianji.engine.native import kernels

Gradients = list[Tensor | None]

#: Whether torch was built with oneDNN's product that has an addition in it, as inductor uses it.
ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@dataclass(frozen=True)
class LowRank:
    """What LoRA adds to a weight (out, in): ``scale * up @ down``, with ``down`` (rank, in) and ``up`` (out, rank)."""

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True)
class Part:
    """One linear module: ``weight`` (out, in), ``bias`` (out,) or none, and what LoRA adds."""

    weight: Tensor
    bias: Tensor | None
    low_rank: LowRank | None = None


class _Cast(NamedTuple):
    """The parts' weights one below the other, in the products' precision."""

    weight: Tensor  # (out, in)
    bias: Tensor | None  # (out,)
    down: Tensor | None  # (ranks, in)
    up: Tensor | None  # (out, ranks), scaled; zero where a rank is another part's


@dataclass
class Product:
    """``x @ weight.T + bias`` for parts that read the same input; their outputs lie side by side.

    Weights are kept in the products' precision for a whole optimiser step, however many micro-batches it has. A write
    in between is seen by the parameter's version; fused optimisers write without counting, hence ``renew``.
    """

    parts: Sequence[Part]
    _cast: _Cast | None = field(default=None, repr=False)
    _made_from: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def parameters(self) -> list[Tensor]:
        """All of them, in the order in which ``gradients`` answers: weights, biases, then low-rank parts."""
        biases = [part.bias for part in self.parts if part.bias is not None]
        low = [part.low_rank for part in self.parts if part.low_rank is not None]
        return [*(part.weight for part in self.parts), *biases, *(p for one in low for p in (one.down, one.up))]

    def cast(self, dtype: torch.dtype) -> _Cast:
        """The weights in ``dtype``, made anew only where a parameter has changed."""
        made_from = (dtype, *((p.data_ptr(), p._version) for p in self.parameters))
        if self._cast is None or self._made_from != made_from:
            self._cast, self._made_from = self._make(dtype), made_from
        return self._cast

    def renew(self) -> None:
        """Cast anew when next needed: what learns may have changed unseen. The memory is used again."""
        if any(parameter.requires_grad for parameter in self.parameters):
            self._made_from = ()

    def forget(self) -> None:
        """Give the memory of the cast weights back."""
        self._cast, self._made_from = None, ()

    def activated(self, x: Tensor) -> Tensor | None:
        """``gelu`` of what ``forward`` gives, in one go where that is to be had: for passes without a backward one."""
        weight, bias, down, _ = self.cast(x.dtype)
        if down is not None or x.dtype != torch.bfloat16 or not ONEDNN:
            return None
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "none")
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(rows, in) to (rows, out), and the low-rank middle (rows, ranks) that ``gradients`` needs."""
        weight, bias, down, up = self.cast(x.dtype)
        y = linear(x, weight, bias)
        if down is None or up is None:
            return y, None
        middle = x @ down.t()
        return y.addmm_(middle, up.t()), middle

    def input_gradient(self, dy: Tensor) -> Tensor:
        """(rows, out) to (rows, in)."""
        weight, _, down, up = self.cast(dy.dtype)
        dx = dy @ weight
        return dx if down is None or up is None else dx.addmm_(dy @ up, down)

    def gradients(
        self, dy: Tensor, x: Tensor, middle: Tensor | None, wanted: Sequence[bool], total: Tensor | None = None
    ) -> Gradients:
        """Gradients of ``parameters`` in fp32, where they are wanted; ``total`` is the sum of dy's rows, if known."""
        count = len(self.parts)
        found: Gradients = [None] * len(wanted)
        rows = self._rows()
        if any(wanted[:count]):
            whole = fp32((turned(dy) if dy.shape[1] < x.shape[1] else dy.t()) @ x)
            found[:count] = [whole[of] if want else None for of, want in zip(rows, wanted, strict=False)]
        biased = [of for part, of in zip(self.parts, rows, strict=True) if part.bias is not None]
        if biased and any(wanted[count : count + len(biased)]):
            total = dy.sum(dim=0).float() if total is None else total
            found[count : count + len(biased)] = [total[of] for of in biased]
        if middle is not None:
            found[count + len(biased) :] = self._low_rank_gradients(dy, x, middle)
        return found

    def _low_rank_gradients(self, dy: Tensor, x: Tensor, middle: Tensor) -> Gradients:
        up = cast(Tensor, self.cast(dy.dtype).up)
        d_down, d_up = ((dy @ up).t() @ x).float(), (dy.t() @ middle).float()
        found: Gradients = []
        first = 0
        for part, of in zip(self.parts, self._rows(), strict=True):
            if part.low_rank is not None:
                ranks = slice(first, first + len(part.low_rank.down))
                found += [d_down[ranks], d_up[of, ranks] * part.low_rank.scale]
                first = ranks.stop
        return found

    def _rows(self) -> list[slice]:
        """Which rows of the joined weight are whose."""
        found, first = [], 0
        for part in self.parts:
            found.append(slice(first, first + len(part.weight)))
            first = found[-1].stop
        return found

    def _make(self, dtype: torch.dtype) -> _Cast:
        # What is made while a model is only asked must not be an inference tensor: training writes to it again.
        with torch.inference_mode(False), torch.no_grad():
            before = self._cast.weight if self._cast is not None and self._cast.weight.dtype == dtype else None
            weight = self._joined([part.weight for part in self.parts], dtype, before)
            biases = [part.bias for part in self.parts if part.bias is not None]
            bias = self._joined(self._all_biases(), dtype, None) if biases else None
            if all(part.low_rank is None for part in self.parts):
                return _Cast(weight, bias, None, None)
            low = [part.low_rank for part in self.parts if part.low_rank is not None]
            up = weight.new_zeros((len(weight), sum(len(one.down) for one in low)))
            first = 0
            for part, of in zip(self.parts, self._rows(), strict=True):
                if part.low_rank is not None:
                    ranks = slice(first, first + len(part.low_rank.down))
                    up[of, ranks] = (part.low_rank.up * part.low_rank.scale).to(dtype)
                    first = ranks.stop
            return _Cast(weight, bias, torch.cat([one.down.to(dtype) for one in low]), up)

    def _all_biases(self) -> list[Tensor]:
        return [part.weight.new_zeros(len(part.weight)) if part.bias is None else part.bias for part in self.parts]

    @staticmethod
    def _joined(tensors: Sequence[Tensor], dtype: torch.dtype, into: Tensor | None) -> Tensor:
        """One below the other, in ``dtype``; a single fp32 weight is taken as it is."""
        if len(tensors) == 1 and tensors[0].dtype == dtype:
            return tensors[0].detach()
        if into is None:
            into = torch.empty((sum(map(len, tensors)), *tensors[0].shape[1:]), dtype=dtype)
        first = 0
        for tensor in tensors:
            into[first : first + len(tensor)].copy_(tensor)
            first += len(tensor)
        return into


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
    return kernels.widen(tensor) if _compiled(tensor) else tensor.float()


def turned(tensor: Tensor) -> Tensor:
    """A contiguous matrix transposed; bf16 in memory too: a narrow one takes oneDNN longer to turn than to multiply."""
    return kernels.transpose(tensor) if _compiled(tensor) else tensor.t()


def fp32_sum(tensor: Tensor, other: Tensor) -> Tensor:
    """Of a contiguous tensor in the products' precision and one in fp32; neither is written to."""
    return kernels.add_wide(tensor, other) if _compiled(tensor) else tensor.float() + other


def _compiled(tensor: Tensor) -> bool:
    return tensor.dtype == torch.bfloat16 and kernels.available()
