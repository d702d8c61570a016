"""Examples that always share a batch, as one thing to order: the same rows with several targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """Some examples each. A unit is as long as its longest example."""

    order: np.ndarray  # (examples,) their positions, unit by unit
    starts: np.ndarray  # (units + 1,) where each unit begins in ``order``
    lengths: np.ndarray  # (units,) tokens

    @classmethod
    def of(cls, numbers: np.ndarray, lengths: np.ndarray) -> Units:
        """Of ``numbers``, the unit of each example, and (examples,) tokens."""
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=numbers[order][:1] - 1))
        longest = np.maximum.reduceat(lengths[order], starts)
        return cls(order, np.append(starts, len(order)), longest)

    @property
    def kinds(self) -> list[np.ndarray]:
        """The units of each size, which make batches of their own: in these all parts have the same rows."""
        sizes = np.diff(self.starts)
        return [np.flatnonzero(sizes == size) for size in np.unique(sizes)]

    def examples(self, batch: np.ndarray) -> np.ndarray:
        """The examples of a batch of units."""
        return np.concatenate([self.order[self.starts[unit] : self.starts[unit + 1]] for unit in batch.tolist()])
