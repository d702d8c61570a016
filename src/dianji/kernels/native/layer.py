"""A whole encoder layer as two functions of tensors, one forward and one backward, each a single call of the library.

The same kernels one by one give the same bits; what lies between their calls costs a fifth of a small model's step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dianji.kernels.native import encoder, library, tiles
from dianji.kernels.native.encoder import Drop, Heads
from dianji.kernels.native.library import address
from dianji.kernels.native.structs import LayerStruct, LinearStruct, NormStruct


class Linear(NamedTuple):
    """A weight in tiles, and its bias (out,) fp32."""

    weight: tiles.Packed
    bias: Tensor


class Norm(NamedTuple):
    """Gain and shift (width,) fp32, and the dropout before."""

    gain: Tensor
    shift: Tensor
    epsilon: float
    drop: Drop


@dataclass(frozen=True)
class Whole:
    """One call of a layer: attention's numbers, queries-keys-values, output, up and down, and both normalisations."""

    heads: Heads
    linears: tuple[Linear, Linear, Linear, Linear]
    norms: tuple[Norm, Norm]

    @property
    def width(self) -> int:
        """Of a row."""
        return self.linears[0].weight.into

    @property
    def inner(self) -> int:
        """Of a row within attention."""
        return self.linears[1].weight.into


class Passed(NamedTuple):
    """(rows, width) fp32, the same in bf16, and what the way back needs: fp32, bf16, and how it was called."""

    result: Tensor
    narrow: Tensor
    numbers: Tensor
    halves: Tensor
    frame: LayerStruct


class LayerGradients(NamedTuple):
    """``x`` (rows, width) fp32, if wanted; those of the four linear maps, and of both normalisations, fp32."""

    x: Tensor | None
    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    norms: Sequence[Tensor]  # gain and shift, twice


def forward(x: Tensor, read: Tensor, whole: Whole, *, keep: bool) -> Passed:
    """One layer.

    Args:
        x: (rows, width) fp32, contiguous, at least 32 rows.
        read: the same in bf16.
        whole: what to compute with.
        keep: for a way back, for which all tensors of this call are to be held.
    """
    rows, width, inner = x.shape[0], whole.width, whole.inner
    up = whole.linears[2].weight.out
    result, narrow = torch.empty_like(x), torch.empty_like(read)
    # Means and deviations twice, attention's two numbers of a row and head, sums before both normalisations.
    numbers = torch.empty(rows * (4 + 2 * whole.heads.heads + (2 * width if keep else 0)))
    halves = read.new_empty(rows * (4 * inner + width + (2 if keep else 1) * up))
    middle, out = torch.empty_like(x), torch.empty_like(read)
    mean, rstd, mean_2, rstd_2, most, share, *totals = _places(
        numbers, *(4 * [rows]), *(2 * [rows * whole.heads.heads]), *((2 if keep else 0) * [rows * width])
    )
    heads, mixed, middle_read, after, *before = _places(
        halves, 3 * rows * inner, rows * inner, rows * width, *((2 if keep else 1) * [rows * up])
    )
    first, second = totals or (None, None)
    linears = map(_linear, whole.linears)
    norms = (
        NormStruct(*_gain_and_shift(norm), norm.epsilon, norm.drop.kept, *norm.drop[:2], *kept)
        for norm, kept in zip(whole.norms, ((first, mean, rstd), (second, mean_2, rstd_2)), strict=True)
    )
    places = next((norm.drop.places for norm in whole.norms if norm.drop.places is not None), None)
    frame = LayerStruct(
        *(encoder.struct_of(whole.heads), *linears, *norms, rows, width),
        *(address(places, torch.int64, "rows' numbers"), address(x, torch.float32, "a layer's rows")),
        *(address(read, torch.bfloat16, "a layer's rows as products read them"), heads, mixed, most, share),
        *(out.data_ptr(), middle.data_ptr(), middle_read, before[0] if before else None, after),
        *(result.data_ptr(), narrow.data_ptr()),
    )
    _run("layer_forward", frame)
    return Passed(result, narrow, numbers, halves, frame)


def backward(grad: Tensor, frame: Any, whole: Whole, *, inward: bool) -> LayerGradients:
    """The way back.

    Args:
        grad: of the result, (rows, width) fp32, contiguous.
        frame: of the call, whose tensors are held.
        whole: of the call.
        inward: whether x's gradient is wanted.
    """
    (rows, width), inner = grad.shape, whole.inner
    packed = [linear.weight for linear in whole.linears]
    threads, up = torch.get_num_threads(), packed[2].out
    sizes = [of.out * of.into for of in packed], [of.out for of in packed], 4 * [width]
    found = torch.split_with_sizes(torch.empty(sum(map(sum, sizes))), [size for some in sizes for size in some])
    weights = [one.view(of.out, of.into) for one, of in zip(found, packed, strict=False)]
    biases, norms = found[4:8], found[8:]
    for to, weight, bias in zip((frame.joined, frame.output, frame.up, frame.down), weights, biases, strict=True):
        to.d_weight, to.d_bias = weight.data_ptr(), bias.data_ptr()
    for norm, of, gain, shift in zip((frame.first, frame.second), whole.norms, norms[::2], norms[1::2], strict=True):
        norm.gain, norm.shift = _gain_and_shift(of)  # which may lie elsewhere by now
        norm.d_gain, norm.d_shift = gain.data_ptr(), shift.data_ptr()
    dx = torch.empty_like(grad) if inward else None
    wide, each = max(up, 3 * inner), rows * width
    of_threads = threads * max(3 * width, 3 * inner, up)
    turned = max(tiles.room(rows, of.out, of.into) for of in packed)
    numbers = torch.empty(2 * each + of_threads)
    halves = torch.empty(each + rows * (inner + wide) + turned, dtype=torch.bfloat16)
    frame.grad = address(grad, torch.float32, "the gradient of a layer's rows")
    frame.dx = None if dx is None else dx.data_ptr()
    frame.d_total, frame.d_middle, frame.parts = _places(numbers, each, each, of_threads)
    frame.d_out, frame.d_mixed, frame.d_wide, frame.packed = _places(halves, each, rows * inner, rows * wide, turned)
    _run("layer_backward", frame)
    return LayerGradients(dx, weights, biases, norms)


def _linear(of: Linear) -> LinearStruct:
    weight, bias = of
    tiles = (address(tensor, torch.bfloat16, "a weight in tiles") for tensor in (weight.forward, weight.backward))
    return LinearStruct(*tiles, address(bias, torch.float32, "a bias"), None, None, weight.out, weight.into)


def _gain_and_shift(of: Norm) -> tuple[int | None, int | None]:
    return address(of.gain, torch.float32, "a gain"), address(of.shift, torch.float32, "a shift")


def _places(tensor: Tensor, *sizes: int) -> Iterator[int]:
    """The addresses of consecutive parts of a tensor, so many numbers each."""
    at, each = tensor.data_ptr(), tensor.element_size()
    for size in sizes:
        yield at
        at += size * each


def _run(name: str, frame: LayerStruct) -> None:
    if not tiles.available():
        raise RuntimeError(f"{name}: this processor has no tiles")
    library.run(name, frame, torch.get_num_threads())
