"""What the baselines for tags ask of a task."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from dianji.evaluate.outcome import Outcome


class TagNames(Protocol):
    """The classes of words."""

    @property
    def names(self) -> tuple[str, ...]:
        """By class number."""
        ...


class Tagging(Protocol):
    """A fitted task that gives each word of a row a class."""

    @property
    def tags(self) -> TagNames:
        """The classes."""
        ...

    def baseline_words(self, table: pa.Table) -> list[list[str]]:
        """The words of each row."""
        ...

    def baseline_tags(self, table: pa.Table) -> list[list[int]]:
        """The class of each word."""
        ...

    def baseline_outcome(self, table: pa.Table, scores: list[np.ndarray]) -> Outcome:
        """The outcome of (words, classes) float32 log-probabilities of each row, decoded as the model's own."""
        ...
