"""What an encoder layer does between its products, as functions of tensors.

Each docstring gives shapes; ``T`` is fp32 or bf16.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dianji.kernels.native.library import address, call, run
from dianji.kernels.native.structs import MOST_HEAD, MOST_TIME, VECTOR, AttentionStruct

MOST_WIDTH = 2**14  # a row lies on a thread's stack


class Drop(NamedTuple):
    """Dropout by sixteen bits an element: what is below ``bound`` goes, the rest is multiplied by ``kept``.

    ``places``, int64 (rows,): the number by which a row's mask is drawn; None: its own.
    """

    seed: int = 0
    bound: int = 0  # 0: all stay
    kept: float = 1.0
    places: Tensor | None = None


class Heads(NamedTuple):
    """A batch of self-attention: sizes, the scale of the scores, and what is added to them.

    ``bias`` is fp32 (batch or 1, heads or 1, time or 1, time), its last dimension contiguous. With ``starts``, int64
    (batch + 1,), an example's rows begin there and end where the next begin; then none has more than ``time``, and
    there is no bias.
    """

    batch: int
    time: int
    heads: int
    width: int
    scale: float
    bias: Tensor | None
    drop: Drop
    starts: Tensor | None = None

    @property
    def rows(self) -> int:
        """Of all examples."""
        return self.batch * self.time if self.starts is None else int(self.starts[-1])


def attends(time: int, width: int) -> bool:
    """Whether attention of so many places and so wide heads is compiled."""
    return time <= MOST_TIME and width <= MOST_HEAD and width % VECTOR == 0


def attend(joined: Tensor, heads: Heads) -> tuple[Tensor, Tensor]:
    """(rows, 3 * heads * width) T to (rows, heads * width) T, and what ``attend_backward`` needs."""
    mixed = joined.new_empty((heads.rows, heads.heads * heads.width))
    known = torch.empty((2, heads.rows * heads.heads))
    call("attend", joined.dtype, joined, struct_of(heads), mixed, known[0], known[1], torch.get_num_threads())
    return mixed, known


def attend_backward(grad: Tensor, joined: Tensor, known: Tensor, heads: Heads) -> tuple[Tensor, Tensor]:
    """The gradient of ``joined``, and the sum of its rows (3 * heads * width,) fp32."""
    threads = torch.get_num_threads()
    d_joined, total = torch.empty_like(joined), torch.empty(joined.shape[1])
    parts = torch.empty(threads * joined.shape[1])
    call(
        "attend_backward",
        joined.dtype,
        grad,
        joined,
        struct_of(heads),
        known[0],
        known[1],
        d_joined,
        total,
        parts,
        threads,
    )
    return d_joined, total


class Normed(NamedTuple):
    """What ``add_norm`` gives: the sum, its normalised form, that in bf16 if T is, rows' means and 1 / deviations."""

    total: Tensor | None
    result: Tensor
    narrow: Tensor | None
    mean: Tensor
    rstd: Tensor


def add_norm(out: Tensor, x: Tensor, gain: Tensor, shift: Tensor, epsilon: float, drop: Drop, *, keep: bool) -> Normed:
    """X + dropout(out), normalised: out (rows, width) T, x the same in fp32, gain and shift (width,) fp32.

    ``keep``: also the sum, which a backward pass needs.
    """
    if x.dtype != torch.float32:
        raise ValueError(f"add_norm was given a residual in {x.dtype}")
    rows, width = x.shape
    total = torch.empty_like(x) if keep else None
    narrow = None if out.dtype == torch.float32 else torch.empty_like(out)
    normed = Normed(total, torch.empty_like(x), narrow, torch.empty(rows), torch.empty(rows))
    call(
        "add_norm",
        out.dtype,
        out,
        x,
        gain,
        shift,
        epsilon,
        rows,
        width,
        *_drop(drop),
        *normed,
        torch.get_num_threads(),
    )
    return normed


class NormGradients(NamedTuple):
    """Of ``add_norm``: ``total`` is x's too, ``out`` is T, the others (width,); ``bias`` is that of ``out``'s rows."""

    total: Tensor
    out: Tensor
    gain: Tensor
    shift: Tensor
    bias: Tensor


def add_norm_backward(
    grad: Tensor, total: Tensor, mean: Tensor, rstd: Tensor, gain: Tensor, drop: Drop, dtype: torch.dtype
) -> NormGradients:
    """From the gradient of ``result`` (rows, width) fp32; that of ``out`` is in ``dtype``."""
    rows, width = grad.shape
    threads = torch.get_num_threads()
    of_rows = torch.empty((3, width))
    found = NormGradients(torch.empty_like(grad), torch.empty_like(grad, dtype=dtype), *of_rows)
    parts = torch.empty(threads * 3 * width)
    call(
        "add_norm_backward",
        dtype,
        grad,
        total,
        mean,
        rstd,
        gain,
        rows,
        width,
        *_drop(drop),
        *found,
        parts,
        threads,
    )
    return found


def gelu_backward(grad: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of ``x`` (rows, width) T, and the sum of its rows (width,) fp32."""
    rows, width = x.shape
    threads = torch.get_num_threads()
    dx, total = torch.empty_like(x), torch.empty(width)
    parts = torch.empty(threads * -(-width // VECTOR) * VECTOR)
    call("gelu_backward", x.dtype, grad, x, rows, width, dx, total, parts, threads)
    return dx, total


def widen(x: Tensor) -> Tensor:
    """A contiguous bf16 tensor in fp32."""
    y = torch.empty_like(x, dtype=torch.float32)
    run("widen", x, y, x.numel(), torch.get_num_threads())
    return y


def add_wide(x: Tensor, y: Tensor) -> Tensor:
    """X + y in fp32: contiguous, x bf16 and y fp32."""
    z = torch.empty_like(y)
    run("add_wide", x, y, z, x.numel(), torch.get_num_threads())
    return z


def transpose(x: Tensor) -> Tensor:
    """(rows, width) bf16 to (width, rows), contiguous."""
    rows, width = x.shape
    y = x.new_empty((width, rows))
    run("transpose", x, y, rows, width, torch.get_num_threads())
    return y


def _drop(drop: Drop) -> tuple[object, ...]:
    return tuple(drop)


def struct_of(of: Heads) -> AttentionStruct:
    """As the library reads it, which does not keep its tensors."""
    bias = of.bias
    strides = [0, 0, 0]
    if bias is not None:
        strides = [step if size > 1 else 0 for step, size in zip(bias.stride()[:3], bias.shape[:3], strict=True)]
    if bias is not None and of.starts is not None:
        raise ValueError("packed examples have no bias")
    at = None if bias is None else bias.data_ptr()  # laid out by its strides
    starts = address(of.starts, torch.int64, "the first rows of examples")
    return AttentionStruct(of.batch, of.time, of.heads, of.width, of.scale, at, *strides, *of.drop[:3], starts)
