"""Dropout on a CPU, with the same distribution as torch's and a fraction of its time.

``bernoulli_`` draws a floating-point number per element and takes a tenth of a training step of a small encoder.
Sixteen random bits are enough to decide whether an element stays: SFC64 makes four such decisions from one word.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional

from dianji.kernels.random_bits import LEAST_RATE, LEVELS, bits

_TORCH_DROPOUT = functional.dropout
_TORCH_ATTENTION = functional.scaled_dot_product_attention
_LOCK = threading.Lock()
_active = 0  # contexts, of all threads


@contextmanager
def cheap_dropout() -> Iterator[None]:
    """While active, ``dropout`` and the dropout of ``scaled_dot_product_attention`` draw their masks from SFC64.

    Takes the place of torch's functions, so every architecture has it without being changed; it must span the backward
    pass too, in which checkpointed layers run again. Each mask is seeded by torch's own generator: seeding, resuming
    and activation checkpointing behave as with torch's dropout. Unsupported calls (a tensor on a GPU, work in
    place, grouped queries, a tiny rate, a model that is being compiled) go to torch unchanged.
    """
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def mask(shape: torch.Size, rate: float, dtype: torch.dtype) -> torch.Tensor:
    """Zeros with probability ``rate``, else 1 / (1 - rate), which keeps the mean. Seeded by torch's generator.

    The rate is rounded to a multiple of 2^-16, and the scale follows the rounded one, so that the mean is exact.
    """
    kept = bits(shape, rate).neg_()  # 0 or 1
    return kept.to(dtype).mul_(LEVELS / (LEVELS - round(rate * LEVELS)))


def _dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    if not training or inplace or not _fits(input, p):
        return _TORCH_DROPOUT(input, p, training, inplace)
    return input * mask(input.shape, p, input.dtype)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Softmax of scaled products, dropout, weighted sum (Vaswani et al., 2017, arXiv:1706.03762, 3.2.1)."""
    if enable_gqa or not _fits(query, dropout_p):
        return _TORCH_ATTENTION(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    # The product comes in the operands' precision; all that follows is fp32, as in torch's own path.
    scores = (query @ key.transpose(-2, -1)).float() * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        kept = attn_mask.dtype == torch.bool
        least = torch.finfo(scores.dtype).min  # finite: a row with nothing to attend to stays a number
        scores = scores.masked_fill(~attn_mask, least) if kept else scores + attn_mask
    weights = functional.softmax(scores, dim=-1, dtype=torch.float32)
    weights = weights * mask(weights.shape, dropout_p, weights.dtype)
    return weights.to(value.dtype) @ value


def _fits(tensor: torch.Tensor, rate: float) -> bool:
    if torch.compiler.is_compiling():  # its kernels draw masks of their own, and cannot call numpy
        return False
    return tensor.device.type == "cpu" and tensor.is_floating_point() and LEAST_RATE <= rate < 1 and tensor.numel() > 0


def _count(change: int) -> None:
    """Threads that train at the same time share the replacement; the last one to leave gives torch's back."""
    global _active
    with _LOCK:
        _active += change
        on = _active > 0
        setattr(functional, "dropout", _dropout if on else _TORCH_DROPOUT)  # noqa: B010  # an assignment fails mypy
        setattr(functional, "scaled_dot_product_attention", _attention if on else _TORCH_ATTENTION)  # noqa: B010
