"""Blocks of 4-bit weights: a scale in fp16, then 16 bytes: low halves are weights 0 to 15, high halves 16 to 31."""

from __future__ import annotations

import numpy as np

BLOCK = 32  # weights
BLOCK_BYTES = 18
_LAYOUT = np.dtype([("scale", "<f2"), ("halves", "u1", (BLOCK // 2,))])
_ZERO = 8  # the number that stands for weight 0


def dequantised(data: bytes) -> np.ndarray:
    """(blocks * 32,) fp32: ``(number - 8) * scale``; fp32 holds every such product exactly.

    ``len(data)`` is a multiple of ``BLOCK_BYTES``.
    """
    blocks = np.frombuffer(data, _LAYOUT)
    halves = blocks["halves"]
    found = np.empty((len(blocks), BLOCK), np.float32)
    found[:, : BLOCK // 2] = halves & 0xF
    found[:, BLOCK // 2 :] = halves >> 4
    found -= _ZERO
    found *= blocks["scale"].astype(np.float32)[:, None]
    return found.reshape(-1)
