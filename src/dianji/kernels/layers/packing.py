"""Rows without padding: the real tokens of a batch behind each other, from the first of consecutive layers to the last.

All that a layer does but attention it does token by token, and attention is told where examples begin. What stands in
the place of padding afterwards is zero. Products by torch make code for each number of rows that occurs, which packing
would multiply; so rows are packed where products take any number of them. Dropout draws for a row what it would draw in
its padded place, so that a packed batch learns what a padded one learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dianji.kernels.layers.blocks import States
from dianji.kernels.layers.families import pad_bias
from dianji.kernels.layers.patching import passes
from dianji.kernels.native.structs import MOST_TIME

#: Of a batch's places, the share that must be padding.
LEAST_PADDING = 0.02
#: What is added to a score, at most, where nobody is to look.
HIDDEN = -1e4


class Packed(NamedTuple):
    """Where the rows of a packed batch belong."""

    starts: Tensor  # (examples + 1,) int64: of each example, in rows
    places: Tensor  # (rows,) int64: of each row among all places of the padded batch
    time: int  # of the padded batch


class Padded(NamedTuple):
    """A batch's padded size."""

    batch: int
    time: int
    width: int


@dataclass
class _Open:
    """Packed rows that are on their way through layers."""

    packed: Packed
    padded: Padded
    first: nn.Module
    last: nn.Module


@dataclass
class Stream:
    """One thread's passes through fast layers: their masks, made once for all layers, and packed rows between them.

    Args:
        on: whether rows may be packed.
        followers: of each layer the one that is called next with nothing but what the layer gave.
        pays: whether these rows are packed.
    """

    on: bool = False
    followers: Mapping[nn.Module, nn.Module] = field(default_factory=dict)
    pays: Callable[[Tensor, Packed], bool] = field(default=lambda rows, packed: packs(rows, packed))
    _mask: Tensor | None = None
    _bias: Tensor | None = None
    _packed: Packed | None = None
    _open: _Open | None = None
    _given: tuple[Tensor, Tensor | None] | None = None  # what a layer gave last, and its rows as products read them

    def enter(self, layer: nn.Module, states: Tensor, mask: Tensor | None) -> tuple[States, Packed | None]:
        """(batch, time, width), or what the layer before left packed, as rows; and how they are packed, if they are."""
        given, self._given = self._given, None
        narrow = given[1] if given is not None and given[0] is states else None
        if self._open is not None and given is not None and states is given[0]:
            return States(states[0], narrow), self._open.packed
        if self._open is not None and layer is not self._open.first:  # which begins anew where a pass was broken off
            raise RuntimeError("something stands between two encoder layers that was not there: use fast_layers: off")
        self._open = None
        padded = Padded(*states.shape)
        self._learn(mask, padded)
        rows = states.reshape(-1, padded.width).float()  # a product right before gives bf16 under autocast
        if self._packed is None or not self.pays(rows, self._packed):
            return States(rows, narrow), None
        self._open = _Open(self._packed, padded, layer, self._last(layer))
        found: Tensor = _Pack.apply(rows, self._packed.places)  # type: ignore[no-untyped-call]  # torch's
        return States(found), self._packed

    def leave(self, layer: nn.Module, rows: States, size: torch.Size) -> Tensor:
        """What the layer gives: padded as it came, or packed to the next."""
        if self._open is None or layer is not self._open.last:
            given = rows.wide.view(size) if self._open is None else rows.wide.unsqueeze(0)
            self._given = given, None if self._last(layer) is layer else rows.narrow
            return given
        padded, places = self._open.padded, self._open.packed.places
        self._open = None
        found: Tensor = _Unpack.apply(rows.wide, places, padded.batch * padded.time)  # type: ignore[no-untyped-call]
        return found.view(padded)

    def bias(self) -> Tensor | None:
        """What is added to the scores of a batch that is not packed."""
        return self._bias

    def _learn(self, mask: Tensor | None, padded: Padded) -> None:
        if mask is not self._mask or mask is None:
            self._mask, self._bias = mask, pad_bias(mask)
            self._packed = packing(mask, padded.batch, padded.time) if mask is not None and self.on else None

    def _last(self, layer: nn.Module) -> nn.Module:
        """Of the layers from here on, between which nobody looks."""
        while (after := self.followers.get(layer)) is not None:
            seen = layer._forward_hooks or after._forward_pre_hooks
            if seen or not passes(after):
                break
            layer = after
        return layer


def packs(rows: Tensor, packed: Packed) -> bool:
    """Whether these rows are packed: it pays, products are in bf16, and attention is compiled for so many."""
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else rows.dtype
    worth = len(packed.places) <= (1 - LEAST_PADDING) * len(rows)
    return worth and kind == torch.bfloat16 and packed.time <= MOST_TIME


def packing(mask: Tensor, batch: int, time: int) -> Packed | None:
    """How a batch can be packed, by its mask (batch, 1, any, time); None: it hides other places too."""
    if mask.dim() != 4 or mask.shape[0] != batch or mask.shape[1] != 1 or mask.shape[3] != time:
        return None
    seen = mask if mask.dtype == torch.bool else mask == 0
    if mask.is_floating_point() and not bool((seen | (mask < HIDDEN)).all()):
        return None
    rows = seen[:, 0]
    if rows.stride(1) != 0 and rows.shape[1] > 1 and not bool((rows == rows[:, :1]).all()):
        return None
    lengths = rows[:, 0].sum(dim=1)
    real = torch.arange(time, device=mask.device) < lengths[:, None]
    if int(lengths.min()) < 1 or not torch.equal(real, rows[:, 0]):
        return None
    starts = torch.zeros(batch + 1, dtype=torch.int64, device=mask.device)
    torch.cumsum(lengths, dim=0, out=starts[1:])
    return Packed(starts, real.view(-1).nonzero()[:, 0], time)


class _Pack(torch.autograd.Function):
    """(places, width) to (rows, width)."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, places: Tensor) -> Tensor:
        ctx.size = padded.shape
        ctx.save_for_backward(places)
        return padded.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return grad.new_zeros(ctx.size).index_copy_(0, places, grad), None


class _Unpack(torch.autograd.Function):
    """The way back, with zeros in other places."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(places)
        return rows.new_zeros((count, rows.shape[1])).index_copy_(0, places, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return grad.index_select(0, places), None, None
