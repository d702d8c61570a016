"""Matrix products in the tiles of Intel's AMX, as functions of tensors.

All are bf16 with sums in fp32, contiguous, and their sides multiples of 32 but for rows, of which there may be any
number. A row's result is the same to the last bit whatever other rows there are. oneDNN, which torch asks, makes code
for each number of rows, packs weights in every call and rounds gradients of weights to bf16; here weights are packed
once a step.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dianji.kernels.native import library
from dianji.kernels.native.structs import DEEP, SIDE


@functools.cache
def available() -> bool:
    """Whether this machine has tiles and lets this process use them."""
    return library.available() and bool(library.run("tiles"))


def fits(weights: Sequence[Tensor]) -> bool:
    """Whether weights (out, in) can be packed."""
    return all(
        weight.dtype == torch.float32 and weight.is_contiguous() and not any(side % SIDE for side in weight.shape)
        for weight in weights
    )


@dataclass(frozen=True)
class Packed:
    """A weight (out, in), ready for both directions."""

    forward: Tensor
    backward: Tensor
    out: int
    into: int


class Copy(NamedTuple):
    """Where a weight lies in tiles: which row of the packed one is its first."""

    packed: Packed
    row: int


def pack(weights: Sequence[Tensor], room: Packed | None = None) -> Packed:
    """Weights (out, in) fp32, one below the other; ``room`` is a packed one of the same size, to be overwritten."""
    out, into, kind = sum(weight.shape[0] for weight in weights), weights[0].shape[1], torch.bfloat16
    if room is None:
        room = Packed(torch.empty(out * into, dtype=kind), torch.empty(out * into, dtype=kind), out, into)
    first = 0
    for weight in weights:
        sizes = weight.shape[0], into, first, out
        _run("tiles_pack", weight, *sizes, room.forward, room.backward)
        first += weight.shape[0]
    return room


def forward(x: Tensor, weight: Packed, bias: Tensor | None) -> Tensor:
    """X (rows, in) times the weight, turned, to (rows, out); the bias is fp32."""
    x, rows = _whole(x)
    y = x.new_empty((x.shape[0], weight.out))
    _run("tiles_product", x, weight.forward, bias, *_sizes(x, weight.into, weight.out), y, None)
    return _first(y, rows)


def forward_gelu(x: Tensor, weight: Packed, bias: Tensor | None, *, keep: bool) -> tuple[Tensor, Tensor | None]:
    """The gelu of ``forward``, and if it is to be kept what went into gelu."""
    x, rows = _whole(x)
    size = (x.shape[0], weight.out)
    y, before = x.new_empty(size), x.new_empty(size) if keep else None
    _run("tiles_product", x, weight.forward, bias, *_sizes(x, weight.into, weight.out), before, y)
    return _first(y, rows), None if before is None else _first(before, rows)


def backward(dy: Tensor, weight: Packed) -> Tensor:
    """Dy (rows, out) times the weight, to (rows, in)."""
    dy, rows = _whole(dy)
    dx = dy.new_empty((dy.shape[0], weight.into))
    _run("tiles_product", dy, weight.backward, None, *_sizes(dy, weight.out, weight.into), dx, None)
    return _first(dx, rows)


def backward_wide(dy: Tensor, weight: Packed, added: Tensor | None) -> Tensor:
    """``backward`` in fp32, without rounding, with what is added (rows, in) fp32."""
    dy, rows = _whole(dy)
    dx = torch.empty((dy.shape[0], weight.into))
    added = None if added is None else _whole(added)[0]
    _run("tiles_wide", dy, weight.backward, added, *_sizes(dy, weight.out, weight.into), dx)
    return _first(dx, rows)


def backward_gelu(dy: Tensor, weight: Packed, before: Tensor) -> tuple[Tensor, Tensor]:
    """From dy (rows, out) to the gradient (rows, in) of what went into a gelu before the product, and its rows' sum."""
    dy, rows = _whole(dy)
    dx, total = dy.new_empty((dy.shape[0], weight.into)), torch.empty(weight.into)
    parts = torch.empty(torch.get_num_threads() * weight.into)
    sizes = _sizes(dy, weight.out, weight.into)
    _run("tiles_gelu_backward", dy, weight.backward, _whole(before)[0], *sizes, dx, total, parts)
    return _first(dx, rows), total


def gradient(dy: Tensor, x: Tensor) -> Tensor:
    """Of a weight, (out, in) fp32, from dy (rows, out) and x (rows, in)."""
    (rows, into), out = x.shape, dy.shape[1]
    packed = x.new_empty(room(rows, out, into))
    found = torch.empty((out, into))
    sizes = rows, out, into
    _run("tiles_gradient", dy.contiguous(), x.contiguous(), *sizes, packed, found)
    return found


def room(rows: int, out: int, into: int) -> int:
    """Numbers that a weight's gradient needs to work in."""
    return min(-(-rows // SIDE), DEEP) * SIDE * min(out, into)


def _run(name: str, *arguments: object) -> None:
    """A kernel, for which the system must have been asked: without its leave the first tile ends the process."""
    if not available():
        raise RuntimeError(f"{name}: this processor has no tiles")
    library.run(name, *arguments, torch.get_num_threads())


def _whole(x: Tensor) -> tuple[Tensor, int]:
    """Contiguous, with zeros below where there are too few rows; and how many there were."""
    rows = x.shape[0]
    return (x.contiguous() if rows >= SIDE else functional.pad(x, (0, 0, 0, SIDE - rows))), rows


def _first(x: Tensor, rows: int) -> Tensor:
    return x if x.shape[0] == rows else x[:rows]


def _sizes(x: Tensor, before: int, after: int) -> tuple[int, int, int]:
    return x.shape[0], before, after
