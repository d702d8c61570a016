"""Which examples make a batch, and in which order: length-bucketed, random, and a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dianji.engine.seeding import generator

POOL = 100  # batches; examples are sorted by length inside pools this large, so that order stays random between pools


@dataclass(frozen=True)
class Size:
    """How large one forward pass is: a number of examples, or of tokens with padding counted."""

    examples: int | None = None
    tokens: int | None = None


def bucketed(lengths: np.ndarray, size: Size, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of indices for one epoch; each index occurs once.

    The examples are permuted, cut into pools, sorted by length inside each pool, cut into batches, and the batches are
    permuted. A batch therefore holds random examples of similar length, and batches come in random order.

    Args:
        lengths: (examples,) tokens per example.
        size: of one batch. With tokens, an example longer than the budget makes a batch of its own.
        seed: of the run.
        epoch: 0, 1, …
    """
    rng = generator(seed, 1, epoch)
    order = rng.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for pool in _pools(order, lengths, size):
        ranked = pool[np.argsort(lengths[pool], kind="stable")]
        batches.extend(_cut(ranked, lengths, size))
    return [batches[position] for position in rng.permutation(len(batches))]


def in_order(lengths: np.ndarray, size: Size) -> list[np.ndarray]:
    """Batches for evaluation: sorted by length, so that padding is small and memory peaks first."""
    return _cut(np.argsort(-lengths, kind="stable"), lengths, size)


def _pools(order: np.ndarray, lengths: np.ndarray, size: Size) -> Iterator[np.ndarray]:
    per_batch = size.examples or max(1, (size.tokens or 1) // max(1, int(lengths.mean()))) if len(lengths) else 1
    step = POOL * per_batch
    for start in range(0, len(order), step):
        yield order[start : start + step]


def _cut(ranked: np.ndarray, lengths: np.ndarray, size: Size) -> list[np.ndarray]:
    if size.examples is not None:
        return [ranked[start : start + size.examples] for start in range(0, len(ranked), size.examples)]
    budget = size.tokens or 1
    batches, start, longest = [], 0, 0
    for position, index in enumerate(ranked):
        longest = max(longest, int(lengths[index]))
        if position > start and longest * (position - start + 1) > budget:
            batches.append(ranked[start:position])
            start, longest = position, int(lengths[index])
    if start < len(ranked):
        batches.append(ranked[start:])
    return batches


@dataclass
class Course:
    """The optimiser steps of a run, epoch by epoch: each step is a list of micro-batches."""

    lengths: np.ndarray
    size: Size
    accumulate: int
    seed: int

    def steps(self, epoch: int) -> list[list[np.ndarray]]:
        """The steps of one epoch; the last one may have fewer micro-batches."""
        batches = bucketed(self.lengths, self.size, self.seed, epoch)
        return [batches[start : start + self.accumulate] for start in range(0, len(batches), self.accumulate)]

    def total(self, epochs: float) -> int:
        """Optimiser steps in so many epochs; at least one."""
        whole = int(epochs)
        if self.size.examples is not None:  # every epoch has the same number of steps
            each = len(self.steps(0))
            return max(1, round(each * epochs))
        steps = sum(len(self.steps(epoch)) for epoch in range(whole))
        rest = epochs - whole
        return max(1, steps + (round(rest * len(self.steps(whole))) if rest else 0))
