"""What a column kind offers so that near-duplicates among its values can be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from dianji.data.quality.pairs import Measure


@dataclass(frozen=True)
class Effort:
    """How much is looked at: more takes longer and finds more."""

    inputs: int  # different ones; held-out ones first, then training
    characters: int  # of all texts together
    pictures: int  # that are decoded …
    pixels: int  # … and how many they may have together


class Likeness(Protocol):
    """How values are compared. Texts of all columns are compared together; this is for other kinds of values."""

    @property
    def method(self) -> str:
        """How, in a sentence for the report."""
        ...

    def most(self, values: pa.ChunkedArray, rows: np.ndarray, sources: pa.ChunkedArray, effort: Effort) -> int:
        """How many different values can be compared.

        Args:
            values: of the column, converted.
            rows: (filled,) positions of rows with a value.
            sources: where each row stands.
            effort: what the caller can afford.
        """
        ...

    def measure(self, values: Sequence[object], sources: Sequence[str]) -> Measure:
        """The measure of these values.

        Raises:
            DataError: one is damaged.
        """
        ...


@dataclass(frozen=True)
class Apart:
    """A measure by which items are alike only if another part of them is equal, or only if it differs."""

    inner: Measure
    other: np.ndarray  # (items,) the same number for the same other part
    equal: bool = True

    @property
    def bands(self) -> np.ndarray:
        """Those of the inner measure."""
        return self.inner.bands

    @property
    def least(self) -> float:
        """That of the inner measure."""
        return self.inner.least

    def likeness(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """That of the inner measure; 0 where the other parts are not as they must be."""
        fitting = (self.other[left] == self.other[right]) == self.equal
        return np.where(fitting, self.inner.likeness(left, right), 0.0)
