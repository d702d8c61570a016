"""Attention over joined queries, keys and values, forward and backward by hand.

Softmax(q k^T * scale + bias), dropout, weighted sum (Vaswani et al., 2017, arXiv:1706.03762, 3.2.1). Products are in
the precision of what comes in; scores are scaled, masked and normalised in fp32. At a few dozen tokens this is faster
on a CPU than ``scaled_dot_product_attention``, which knows no dropout there anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dianji.kernels.layers.noise import Noise

BLOCK = 2**22  # scores that are worked on together: 16 MiB in fp32, which a C library still keeps from step to step
SHORT = 16  # numbers in a vector register; rows of fewer are normalised another way
APART = 80.0  # scores this far apart are still told from zero after exp in fp32


class AttentionShape(NamedTuple):
    """Of one batch."""

    batch: int
    time: int
    heads: int
    width: int  # of a head


class Attended(NamedTuple):
    """What the backward pass needs."""

    heads: Tensor  # (3, batch * heads, time, width): queries, keys, values
    weights: Tensor  # (batch * heads, time, time), before dropout
    kept: Tensor | None


def attend(
    joined: Tensor, bias: Tensor | None, shape: AttentionShape, scale: float, noise: Noise
) -> tuple[Tensor, Attended]:
    """(batch * time, 3 * heads * width) to (batch * time, heads * width).

    Args:
        joined: queries, keys and values side by side.
        bias: (batch or 1, 1 or heads, 1 or time, time) fp32, added to the scores; very negative where not to look.
        shape: of the batch.
        scale: of the scores.
        noise: dropout of the weights.
    """
    batch, time, heads, width = shape
    apart = joined.view(batch, time, 3, heads, width).permute(2, 0, 3, 1, 4).contiguous()
    query, key, value = apart.view(3, batch * heads, time, width)
    weights = joined.new_empty((batch * heads, time, time))
    kept = noise.draw(weights.shape)
    mixed = torch.empty_like(query)
    for some, rows in _blocks(shape):
        scores = _fp32(torch.bmm(query[rows], key[rows].transpose(1, 2))).mul_(scale)
        normal = softmax(scores, bias if bias is None or len(bias) == 1 else bias[some], some.stop - some.start)
        block = weights[rows].copy_(normal)
        torch.bmm(noise.mask(block, _at(kept, rows)), value[rows], out=mixed[rows])
    if kept is not None:
        mixed.mul_(noise.scale)  # here, where there are fewer numbers than among the weights
    whole = mixed.view(batch, heads, time, width).transpose(1, 2).reshape(batch * time, heads * width)
    return whole, Attended(apart.view(3, batch * heads, time, width), weights, kept)


def attend_backward(grad: Tensor, saved: Attended, shape: AttentionShape, scale: float, noise: Noise) -> Tensor:
    """The gradient of ``joined``, from that of what ``attend`` gave."""
    batch, time, heads, width = shape
    query, key, value = saved.heads
    d_mixed = grad.view(batch, time, heads, width).transpose(1, 2).reshape(batch * heads, time, width)
    if saved.kept is not None:
        d_mixed = d_mixed * noise.scale
    apart = torch.empty_like(saved.heads)
    for _, rows in _blocks(shape):
        kept, weights, d_block = _at(saved.kept, rows), saved.weights[rows], d_mixed[rows]
        torch.bmm(noise.mask(weights, kept).transpose(1, 2), d_block, out=apart[2, rows])
        d_weights = noise.mask(torch.bmm(d_block, value[rows].transpose(1, 2)), kept)
        d_scores = softmax_backward(_fp32(d_weights), weights.float()).mul_(scale).to(grad.dtype)
        torch.bmm(d_scores, key[rows], out=apart[0, rows])
        torch.bmm(d_scores.transpose(1, 2), query[rows], out=apart[1, rows])
    return apart.view(3, batch, heads, time, width).permute(1, 3, 0, 2, 4).reshape(batch * time, 3 * heads * width)


def _blocks(shape: AttentionShape) -> Iterator[tuple[slice, slice]]:
    """Examples, as many at a time as ``BLOCK`` allows, and their heads."""
    each = max(1, BLOCK // (shape.heads * shape.time * shape.time))
    for first in range(0, shape.batch, each):
        some = slice(first, min(first + each, shape.batch))
        yield some, slice(some.start * shape.heads, some.stop * shape.heads)


def _at(kept: Tensor | None, rows: slice) -> Tensor | None:
    return None if kept is None else kept[rows]


def softmax(scores: Tensor, bias: Tensor | None, batch: int) -> Tensor:
    """Softmax of (batch * heads, time, time) fp32 scores over the last dimension, in place; ``bias`` as in ``attend``.

    Torch's kernel works through a row at a time and is ten times slower for rows shorter than a vector register. There,
    one maximum serves all rows, unless scores are so far apart that a row would vanish beside it.
    """
    time = scores.shape[-1]
    if time < SHORT:
        least, most = torch.aminmax(scores)
        if float(most - least) < APART:
            scores.sub_(most)
            _add(scores, bias, batch)
            rows = scores.exp_().view(-1, time)
            return rows.div_(rows @ rows.new_ones(time, 1)).view_as(scores)
    _add(scores, bias, batch)
    return scores.softmax(dim=-1)


def softmax_backward(grad: Tensor, weights: Tensor) -> Tensor:
    """The gradient of the scores: weights * (grad - sum(grad * weights)), fp32."""
    time = weights.shape[-1]
    if time >= SHORT:
        found: Tensor = torch.ops.aten._softmax_backward_data(grad, weights, -1, torch.float32)
        return found
    mean = (grad * weights).view(-1, time) @ grad.new_ones(time, 1)
    return (grad.view(-1, time) - mean).view_as(weights).mul_(weights)


def _add(scores: Tensor, bias: Tensor | None, batch: int) -> None:
    if bias is not None:
        scores.view(batch, -1, *scores.shape[1:]).add_(bias)


def _fp32(tensor: Tensor) -> Tensor:
    """A tensor that may be written to, in fp32."""
    return tensor if tensor.dtype == torch.float32 else tensor.float()
