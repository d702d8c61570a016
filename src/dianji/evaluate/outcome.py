"""Outputs beside targets: what metrics are computed on. Arrays only, one entry per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What every outcome knows: how many rows it speaks of."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        raise NotImplementedError


@dataclass(frozen=True)
class Classified(Outcome):
    """One label per row."""

    labels: tuple[str, ...]
    target: np.ndarray  # (rows,) int64
    probabilities: np.ndarray  # (rows, labels) float32, rows sum to 1

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.target)


@dataclass(frozen=True)
class Tagged(Outcome):
    """Several labels per row."""

    labels: tuple[str, ...]
    target: np.ndarray  # (rows, labels) bool
    probabilities: np.ndarray  # (rows, labels) float32, each its own
    threshold: float = 0.5

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.target)


@dataclass(frozen=True)
class Modelled(Outcome):
    """Language modelling."""

    nll: np.ndarray  # (rows,) float64, summed over a row's predicted tokens, in nats
    tokens: np.ndarray  # (rows,) int64, predicted tokens
    hits: np.ndarray  # (rows,) int64, tokens whose most likely value was right

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.nll)
