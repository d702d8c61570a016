"""Random numbers that need no saving: every draw follows from the seed and its place in the run."""

from __future__ import annotations

import random

import numpy as np
import torch


def derive(seed: int, *where: int) -> int:
    """A 63-bit seed for one place in a run; neighbouring places give unrelated seeds (numpy's SeedSequence)."""
    words = np.random.SeedSequence([seed, *where]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's legacy generator (plug-ins may use it) and torch on every device.

    Called before each micro-batch, so that a resumed run draws what the uninterrupted run would have drawn.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # its queries of absent devices take longer than the rest of a step's Python
        torch.default_generator.manual_seed(seed)


def generator(seed: int, *where: int) -> np.random.Generator:
    """An independent generator for one place in a run."""
    return np.random.Generator(np.random.PCG64(derive(seed, *where)))
