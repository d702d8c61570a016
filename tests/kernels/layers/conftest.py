"""Fast layers are tried with both ways to compute, by torch and by compiled kernels, drawing the same masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dianji.engine import dropout
from dianji.kernels.layers import fast, noise
from dianji.kernels.layers.between import ByTorch, Compiled
from dianji.kernels.native import tiles
from dianji.kernels.random_bits import LEVELS
from tests.needs import need_kernels


def counted_bits(shape: torch.Size, rate: float) -> torch.Tensor:
    """The masks of the compiled kernels by numpy: SplitMix64 counted from the first word of each row."""
    rows, width = shape[:-1].numel(), shape[-1]
    each = -(-width // 4)
    with np.errstate(over="ignore"):
        z = np.uint64(int(torch.randint(2**62, ()))) + np.arange(1, rows * each + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    halves = z.view(np.uint16).reshape(rows, 4 * each)[:, :width]
    kept = np.where(halves >= round(rate * LEVELS), np.int16(-1), np.int16(0))
    return torch.from_numpy(np.ascontiguousarray(kept)).view(shape)


@pytest.fixture(params=["torch", "compiled"])
def between(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way is taken; the plain layers then draw what the kernels draw."""
    if request.param == "compiled":
        need_kernels()
        monkeypatch.setattr(dropout, "bits", counted_bits)
        monkeypatch.setattr(noise, "bits", counted_bits)
    else:
        monkeypatch.setattr(tiles, "available", lambda: False)
    made = Compiled if request.param == "compiled" else ByTorch
    monkeypatch.setattr(fast, "between", made)
    return str(request.param)
