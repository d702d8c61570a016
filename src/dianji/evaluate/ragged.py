"""Arrays of different lengths under one name: a value per token, span, box or candidate of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """``values[offsets[i]:offsets[i + 1]]`` is entry ``i``.

    Law: ``Ragged.of(list(r))`` equals ``r``, unless ``r`` has no entries.
    """

    values: np.ndarray  # (total, …)
    offsets: np.ndarray  # (entries + 1,) int64, from 0 to total, ascending

    @classmethod
    def of(cls, entries: Sequence[np.ndarray]) -> Ragged:
        """One entry per array; the arrays agree in all dimensions but the first.

        Raises:
            ValueError: there is no array, so that the type is not known.
        """
        return cls(np.concatenate([np.asarray(entry) for entry in entries]), offsets_of([len(e) for e in entries]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, entry: int) -> np.ndarray:
        found: np.ndarray = self.values[self.offsets[entry] : self.offsets[entry + 1]]
        return found

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[entry] for entry in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """(entries,) int64: the number of values of each entry."""
        return np.diff(self.offsets)

    @property
    def entries(self) -> np.ndarray:
        """(total,) int64: the entry of each value."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def take(self, entries: np.ndarray) -> Ragged:
        """The entries at these positions (or where a mask is true), in this order."""
        chosen = np.arange(len(self))[entries]
        lengths = self.lengths[chosen]
        ends = offsets_of(lengths)
        inside = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
        return Ragged(self.values[np.repeat(self.offsets[:-1][chosen], lengths) + inside], ends)


#: One entry per row: all of one shape, or ragged.
Entries = np.ndarray | Ragged


def take(array: Entries, entries: np.ndarray) -> Entries:
    """The entries at these positions (or where a mask is true)."""
    return array.take(entries) if isinstance(array, Ragged) else array[entries]


def concatenate(parts: Sequence[Entries]) -> Entries:
    """The entries of all parts, one after the other; ragged if one part is.

    Raises:
        ValueError: there is no part, or shapes do not agree.
    """
    if not any(isinstance(part, Ragged) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    ragged = [part if isinstance(part, Ragged) else Ragged.of(list(part)) for part in parts]
    lengths = np.concatenate([part.lengths for part in ragged])
    return Ragged(np.concatenate([part.values for part in ragged]), offsets_of(lengths))


def offsets_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """(entries + 1,) int64: where entries of these lengths begin, and where the last one ends."""
    ends = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(np.asarray(lengths, dtype=np.int64), out=ends[1:])
    return ends
