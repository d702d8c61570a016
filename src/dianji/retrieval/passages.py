"""Documents cut into passages: whole sentences, as many as a model reads at once, with an overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from dianji.data.sentences import sentences
from dianji.errors import RecipeError


@dataclass(frozen=True)
class Cut:
    """How documents are cut.

    Args:
        length: the most units (a model's tokens; without a model words, or characters of scripts without spaces) of a
            passage.
        overlap: the most units of whole sentences that a passage repeats from the one before it.
    """

    length: int
    overlap: int

    def __post_init__(self) -> None:
        """Refuse an overlap that leaves no room for anything new.

        Raises:
            RecipeError: a number is out of range.
        """
        if self.length < 1:
            raise RecipeError(f"length: expected at least 1, found {self.length}.")
        if not 0 <= self.overlap <= self.length // 2:
            raise RecipeError(
                f"overlap: expected 0 to {self.length // 2}, half the length of a passage, found {self.overlap}."
            )

    def passages(self, text: str, starts: np.ndarray) -> list[tuple[int, int]]:
        """(start, stop) in characters of each passage; together they hold every sentence.

        Args:
            text: of a document.
            starts: (units,) the character at which each unit begins, ascending.
        """
        parts = [part for sentence in sentences(text) for part in self._parts(sentence, starts)]
        costs = [_units(starts, *part) for part in parts]
        found: list[tuple[int, int]] = []
        first = 0
        while first < len(parts):
            after, total = first + 1, costs[first]
            while after < len(parts) and total + costs[after] <= self.length:
                total += costs[after]
                after += 1
            found.append((parts[first][0], parts[after - 1][1]))
            first = self._next(costs, first, after) if after < len(parts) else after
        return found

    def _next(self, costs: Sequence[int], first: int, after: int) -> int:
        """Where the next passage begins: before ``after``, as far as the overlap and the next sentence allow."""
        begin, repeated = after, 0
        while begin - 1 > first:
            more = repeated + costs[begin - 1]
            if more > self.overlap or more + costs[after] > self.length:
                break
            begin, repeated = begin - 1, more
        return begin

    def _parts(self, sentence: tuple[int, int], starts: np.ndarray) -> list[tuple[int, int]]:
        """The sentence; one that is too long is divided, into parts that can be repeated if there is an overlap."""
        begin, stop = sentence
        if _units(starts, begin, stop) <= self.length:
            return [sentence]
        step = self.overlap or self.length
        inside = starts[np.searchsorted(starts, begin) : np.searchsorted(starts, stop)]
        # Tokens of one character begin at the same place: a character is never divided.
        edges = sorted({begin, *inside[step::step].tolist()})
        return list(zip(edges, [*edges[1:], stop], strict=True))


def _units(starts: np.ndarray, begin: int, stop: int) -> int:
    return int(np.searchsorted(starts, stop) - np.searchsorted(starts, begin))


@dataclass(frozen=True)
class Passages:
    """Places of passages in documents, in the documents' order; arrays (passages,) int64."""

    document: np.ndarray
    start: np.ndarray  # characters
    stop: np.ndarray

    @classmethod
    def of(cls, cuts: Iterable[Sequence[tuple[int, int]]]) -> Passages:
        """The passages of each document, one document after the other."""
        rows = [(number, *place) for number, places in enumerate(cuts) for place in places]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(*(np.ascontiguousarray(column) for column in columns))

    def __len__(self) -> int:
        return len(self.document)

    def write(self, path: Path) -> None:
        """As safetensors; inverse of ``read``."""
        save_file({"document": self.document, "start": self.start, "stop": self.stop}, path)

    @classmethod
    def read(cls, path: Path) -> Passages:
        """Inverse of ``write``."""
        return cls(**load_file(path))
