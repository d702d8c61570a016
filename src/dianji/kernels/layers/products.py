"""Matrix products of a layer: linear modules side by side, their weights cast once a step, their gradients by hand."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from dianji.kernels.layers.weights import Activated, Tiled, Weight, fp32_sum, ready, tiled
from dianji.kernels.native.tiles import Copy

#: While weights are cast: one product at a time, in whatever thread.
_CASTING = threading.RLock()

ParameterGradients = list[Tensor | None]


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
    """The parts' weights one below the other, and what LoRA adds, in the products' precision."""

    weight: Weight
    down: Tensor | None  # (ranks, in)
    up: Tensor | None  # (out, ranks), scaled; zero where a rank is another part's


class _Held(NamedTuple):
    """A cast, and the type and versions of what it was made from; nothing if these are not known."""

    cast: _Cast | None = None
    made_from: tuple[Any, ...] = ()


@dataclass
class Product:
    """``x @ weight.T + bias`` for parts that read the same input; their outputs lie side by side.

    Weights are kept in the products' precision for a whole optimiser step, however many micro-batches it has. A write
    in between is seen by the parameter's version; fused optimisers write without counting, hence ``renew``.
    """

    parts: Sequence[Part]
    _held: _Held = field(default=_Held(), repr=False)

    @cached_property
    def parameters(self) -> list[Tensor]:
        """All of them, in the order in which ``gradients`` answers: weights, biases, then low-rank parts."""
        biases = [part.bias for part in self.parts if part.bias is not None]
        low = [part.low_rank for part in self.parts if part.low_rank is not None]
        return [*(part.weight for part in self.parts), *biases, *(p for one in low for p in (one.down, one.up))]

    @cached_property
    def weights(self) -> list[Tensor]:
        """What of the parameters a backward pass reads again: all but the biases."""
        low = [part.low_rank for part in self.parts if part.low_rank is not None]
        return [*(part.weight for part in self.parts), *(p for one in low for p in (one.down, one.up))]

    @property
    def takes_any_rows(self) -> bool:
        """Whether in bf16 every number of rows is as good, and a row's result is the same whatever others there are."""
        return tiled([part.weight for part in self.parts]) and all(part.low_rank is None for part in self.parts)

    def cast(self, dtype: torch.dtype) -> _Cast:
        """The weights in ``dtype``, made anew only where a parameter has changed; threads may ask at the same time."""
        now = self._now(dtype)
        held = self._held  # read once: another thread may be about to replace it
        if held.cast is not None and held.made_from == now:
            return held.cast
        with _CASTING:
            held = self._held
            if held.cast is not None and held.made_from == now:
                return held.cast
            cast = self._make(dtype)
            self._held = _Held(cast, now)
            return cast

    def _now(self, dtype: torch.dtype) -> tuple[Any, ...]:
        return (dtype, *((p.data_ptr(), p._version) for p in self.parameters))

    def _again(self, dtype: torch.dtype) -> _Cast:
        """As the forward pass had them: autograd sees to it that no weight has changed since."""
        cast, made_from = self._held
        return cast if cast is not None and made_from[:1] == (dtype,) else self.cast(dtype)

    def renew(self) -> None:
        """Cast anew when next needed: what learns may have changed unseen. The memory is used again."""
        if any(parameter.requires_grad for parameter in self.parameters):
            self._held = _Held(self._held.cast)

    def copies(self) -> dict[Tensor, Copy]:
        """Where an optimiser may write the weights as products read them; none where more would have to be done."""
        cast, made_from = self._held
        if cast is None or not made_from or made_from != self._now(made_from[0]) or cast.down is not None:
            return {}
        if not isinstance(cast.weight, Tiled):
            return {}
        found, row = {}, 0
        for part in self.parts:
            found[part.weight] = Copy(cast.weight.packed, row)
            row += len(part.weight)
        return found

    def follow(self) -> None:
        """The optimiser has written to all ``copies``: what else is cast is made anew."""
        cast, made_from = self._held
        if cast is None or not made_from:
            return
        if isinstance(cast.weight, Tiled) and len(self.parts) > 1:
            with torch.inference_mode(False), torch.no_grad():
                cast = cast._replace(weight=replace(cast.weight, bias=self._bias()))
        self._held = _Held(cast, self._now(made_from[0]))

    def forget(self) -> None:
        """Give the memory of the cast weights back."""
        self._held = _Held()

    def activated(self, x: Tensor, *, keep: bool) -> Activated | None:
        """``gelu`` of what ``forward`` gives, in one go where that is to be had; ``keep``: also what went into it."""
        cast = self.cast(x.dtype)
        return None if cast.down is not None else cast.weight.activated(x, keep=keep)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(rows, in) to (rows, out), and the low-rank middle (rows, ranks) that ``gradients`` needs."""
        weight, down, up = self.cast(x.dtype)
        y = weight.forward(x)
        if down is None or up is None:
            return y, None
        middle = x @ down.t()
        return y.addmm_(middle, up.t()), middle

    def input_gradient(self, dy: Tensor) -> Tensor:
        """(rows, out) to (rows, in)."""
        weight, down, up = self._again(dy.dtype)
        dx = weight.backward(dy)
        return dx if down is None or up is None else dx.addmm_(dy @ up, down)

    def input_gradient_wide(self, dy: Tensor, added: Tensor | None = None) -> Tensor:
        """The same in fp32, with what is added to it, fp32."""
        weight, down, up = self._again(dy.dtype)
        dx = weight.backward_wide(dy, added)
        return dx if down is None or up is None else fp32_sum((dy @ up) @ down, dx)

    def input_gradient_gelu(self, dy: Tensor, before: Tensor) -> tuple[Tensor, Tensor] | None:
        """Where x is a gelu, the gradient of what went into it, and the sum of its rows; None: not in one go."""
        cast = self._again(dy.dtype)
        return None if cast.down is not None else cast.weight.backward_gelu(dy, before)

    def gradients(
        self, dy: Tensor, x: Tensor, middle: Tensor | None, wanted: Sequence[bool], total: Tensor | None = None
    ) -> ParameterGradients:
        """Gradients of ``parameters`` in fp32, where they are wanted; ``total`` is the sum of dy's rows, if known."""
        count = len(self.parts)
        found: ParameterGradients = [None] * len(wanted)
        if any(wanted[:count]):
            whole = self._again(dy.dtype).weight.gradient(dy, x)
            found[:count] = [of if want else None for of, want in zip(self.split(whole), wanted, strict=False)]
        biased = [part.bias is not None for part in self.parts]
        if any(biased) and any(wanted[count : count + sum(biased)]):
            total = dy.sum(dim=0).float() if total is None else total
            found[count : count + sum(biased)] = itertools.compress(self.split(total), biased)
        if middle is not None:
            found[count + sum(biased) :] = self._low_rank_gradients(dy, x, middle)
        return found

    def _low_rank_gradients(self, dy: Tensor, x: Tensor, middle: Tensor) -> ParameterGradients:
        up = cast(Tensor, self._again(dy.dtype).up)
        d_down, d_up = ((dy @ up).t() @ x).float(), (dy.t() @ middle).float()
        found: ParameterGradients = []
        first = 0
        for part, of in zip(self.parts, self._rows(), strict=True):
            if part.low_rank is not None:
                ranks = slice(first, first + len(part.low_rank.down))
                found += [d_down[ranks], d_up[of, ranks] * part.low_rank.scale]
                first = ranks.stop
        return found

    def split(self, joined: Tensor) -> Sequence[Tensor]:
        """What of an outcome, or of a gradient of weights, belongs to each part."""
        sizes = [part.weight.shape[0] for part in self.parts]
        return [joined] if len(sizes) == 1 else torch.functional.split(joined, sizes)

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
            before = None if self._held.cast is None else self._held.cast.weight
            weights = [part.weight.detach() for part in self.parts]
            weight = ready(weights, self._bias(), dtype, before)
            if all(part.low_rank is None for part in self.parts):
                return _Cast(weight, None, None)
            low = [part.low_rank for part in self.parts if part.low_rank is not None]
            up = low[0].up.new_zeros((sum(map(len, weights)), sum(len(one.down) for one in low)), dtype=dtype)
            first = 0
            for part, of in zip(self.parts, self._rows(), strict=True):
                if part.low_rank is not None:
                    ranks = slice(first, first + len(part.low_rank.down))
                    up[of, ranks] = (part.low_rank.up * part.low_rank.scale).to(dtype)
                    first = ranks.stop
            return _Cast(weight, torch.cat([one.down.to(dtype) for one in low]), up)

    def _bias(self) -> Tensor | None:
        """Of all parts, zero where one has none."""
        if all(part.bias is None for part in self.parts):
            return None
        if len(self.parts) == 1 and self.parts[0].bias is not None:
            return self.parts[0].bias.detach()
        return torch.cat([p.weight.new_zeros(len(p.weight)) if p.bias is None else p.bias.detach() for p in self.parts])
