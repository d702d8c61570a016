"""Random masks of sixteen bits an element, drawn by numpy, seeded by torch's generator."""

from __future__ import annotations

import numpy as np
import torch

LEVELS = 1 << 16
#: Below this rate sixteen bits are too coarse, and torch draws: at it, the rate is met within 0.8 %.
LEAST_RATE = 1 / 1024


def bits(shape: torch.Size, rate: float) -> torch.Tensor:
    """int16: zero with probability ``rate``, else -1, which is all bits, so that ``and`` lays it over a tensor."""
    elements = shape.numel()
    seed = int(torch.randint(2**62, ()))
    words = np.random.SFC64(seed).random_raw(-(-elements // 4))
    halves = torch.from_numpy(words.view(np.int16))[:elements].view(shape)
    bound = LEVELS // 2 - round(rate * LEVELS)  # what is below stays
    # Three passes of plain arithmetic, where a comparison would leave bytes that must be widened again.
    return halves.clamp_(bound - 1, bound).sub_(bound)
