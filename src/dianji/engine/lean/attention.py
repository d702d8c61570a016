"""Attention over joined queries, keys and values, forward and backward by hand.

Softmax(q k^T * scale + bias), dropout, weighted sum (Vaswani et al., 2017, arXiv:1706.03762, 3.2.1). Products are in
the precision of what comes in; scores are scaled, masked and normalised in fp32. At a few dozen tokens this is faster
on a CPU than ``scaled_dot_product_attention``, which knows no dropout there anyway.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dianji.engine.lean.noise import Noise

SHORT = 16  # numbers in a vector register; rows of fewer are normalised another way
APART = 80.0  # scores this far apart are still told from zero after exp in fp32


class Shape(NamedTuple):
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


def attend(joined: Tensor, bias: Tensor | None, shape: Shape, scale: float, noise: Noise) -> tuple[Tensor, Attended]:
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
    scores = _fp32(torch.bmm(query, key.transpose(1, 2))).mul_(scale)
    weights = softmax(scores, bias, batch).to(joined.dtype)
    kept = noise.draw(weights.shape)
    mixed = torch.bmm(noise.apply(weights, kept), value)
    whole = mixed.view(batch, heads, time, width).transpose(1, 2).reshape(batch * time, heads * width)
    return whole, Attended(apart.view(3, batch * heads, time, width), weights, kept)


def attend_backward(grad: Tensor, saved: Attended, shape: Shape, scale: float, noise: Noise) -> Tensor:
    """The gradient of ``joined``, from that of what ``attend`` gave."""
    batch, time, heads, width = shape
    query, key, value = saved.heads
    d_mixed = grad.view(batch, time, heads, width).transpose(1, 2).reshape(batch * heads, time, width)
    apart = torch.empty_like(saved.heads)
    torch.bmm(noise.apply(saved.weights, saved.kept).transpose(1, 2), d_mixed, out=apart[2])
    d_weights = noise.apply(torch.bmm(d_mixed, value.transpose(1, 2)), saved.kept)
    d_scores = softmax_backward(_fp32(d_weights), saved.weights.float()).mul_(scale).to(grad.dtype)
    torch.bmm(d_scores, key, out=apart[0])
    torch.bmm(d_scores.transpose(1, 2), query, out=apart[1])
    return apart.view(3, batch, heads, time, width).permute(1, 3, 0, 2, 4).reshape(batch * time, 3 * heads * width)


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
