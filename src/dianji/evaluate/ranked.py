"""The outcome of retrieval: at which places of a ranking of the whole collection the right candidates of a query lie.

Every query is ranked against every candidate of the split, not against a sample of them (Krichene & Rendle, 2020).
Candidates whose similarity differs by less than ``TIE`` from that of a right one are tied with it, because rounding
decides their order; a tie counts as half a place for each wrong candidate in it. So a model that gives one vector to
all texts gets the middle of the ranking and not its top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dianji.evaluate.outcome import Breakdown, Outcome
from dianji.evaluate.ragged import Ragged

#: Cosines that differ by less are equal: vectors of one text from different batches differ by up to 1e-6.
TIE = 1e-5
#: Similarities that are held at once.
_AT_ONCE = 8_000_000
_SHOWN = (1, 3, 10, 100)


@dataclass(frozen=True, eq=False)
class Retrieval(Outcome):
    """Queries. ``above`` and ``tied`` have an entry for each right candidate of a query, the best first.

    A query without a right candidate has empty entries and counts in no metric.
    """

    above: Ragged  # int64: wrong candidates that are more similar than the right one
    tied: Ragged  # int64: wrong candidates that are as similar
    wrong: np.ndarray  # (rows,) int64: all wrong candidates

    @property
    def answerable(self) -> np.ndarray:
        """(rows,) bool: whether a query has a right candidate."""
        return np.asarray(self.above.lengths > 0)

    @property
    def ranks(self) -> Ragged:
        """From 1, in float64, ascending in each row: right candidates before it, wrong ones, and half of the ties."""
        number = np.arange(len(self.above.values)) - np.repeat(self.above.offsets[:-1], self.above.lengths)
        return Ragged(1 + number + self.above.values + self.tied.values / 2, self.above.offsets)

    def first(self) -> np.ndarray:
        """(rows,) float64: the rank of the best right candidate; infinity where there is none."""
        found = np.full(self.rows, np.inf)
        some = self.answerable
        found[some] = self.ranks.values[self.above.offsets[:-1][some]]
        return found

    def right(self) -> np.ndarray:
        """(rows,) bool: the most similar candidate is a right one."""
        return np.asarray(self.first() == 1)

    def check(self) -> list[str]:
        """Also: no place lies outside the collection."""
        faults = super().check()
        if faults:
            return faults
        if not np.array_equal(self.above.lengths, self.tied.lengths):
            return ["a row has another number of ties than of right candidates"]
        all_of_row = np.repeat(self.wrong, self.above.lengths)
        if ((self.above.values < 0) | (self.tied.values < 0)).any():
            faults.append("a rank is below 1")
        if (self.above.values + self.tied.values > all_of_row).any():
            faults.append("a rank is beyond the last candidate")
        return faults

    def breakdown(self) -> Breakdown:
        """The share of queries whose best right candidate is among the first 1, 3, 10 and 100."""
        first = self.first()[self.answerable]
        rows = [(f"≤ {most}", int((first <= most).sum()), {"share": float((first <= most).mean())}) for most in _SHOWN]
        return Breakdown("rank", tuple(rows) if len(first) else ())

    def distance(self, other: Retrieval) -> np.ndarray:
        """See ``Outcome.distance``; places that both outcomes call possible are no difference."""
        same = self.above.lengths == other.above.lengths
        if not same.all():
            found = np.full(self.rows, np.inf)
            found[same] = self.take(same).distance(other.take(same))
            return found
        low = np.maximum(self.above.values, other.above.values)
        high = np.minimum(self.above.values + self.tied.values, other.above.values + other.tied.values)
        apart = np.maximum(0, low - high) / np.maximum(1.0, 1.0 + other.above.values)
        worst = np.abs(self.wrong - other.wrong) / np.maximum(1.0, other.wrong)
        np.maximum.at(worst, self.above.entries, apart)
        return np.asarray(worst)


@dataclass(frozen=True, eq=False)
class Questions:
    """Which candidates are right for which queries, without their vectors.

    Rows with one ``key`` share their right candidates. Candidates with one number are one candidate. The query's own
    text is no wrong candidate; where ``among_themselves``, it is no candidate at all.
    """

    key: np.ndarray  # (rows,) int64
    own: np.ndarray  # (rows,) int64: number of the query's own text; -1: none
    numbers: np.ndarray  # (rows, candidates of a row) int64: which candidate each is
    positive: np.ndarray  # (rows, candidates of a row) bool: right for the row's key
    among_themselves: bool = False

    @cached_property
    def known(self) -> np.ndarray:
        """(candidates,) int64: the distinct numbers, ascending."""
        return np.unique(self.numbers)

    @cached_property
    def first(self) -> np.ndarray:
        """(candidates,) int64: where each of ``known`` stands first among ``numbers``, flattened."""
        return np.asarray(np.unique(self.numbers, return_index=True)[1])

    def ranked(self, similarities: Callable[[int, int], np.ndarray]) -> Retrieval:
        """Rank every query against all distinct candidates.

        Args:
            similarities: (start, stop) of queries -> (queries, candidates), in the order of ``known``.
        """
        above: list[np.ndarray] = []
        tied: list[np.ndarray] = []
        wrong = np.empty(len(self.key), dtype=np.int64)
        step = max(1, _AT_ONCE // max(1, len(self.known)))
        for start in range(0, len(self.key), step):
            for row, similar in enumerate(similarities(start, min(start + step, len(self.key))), start):
                rivals = similar[self._wrong(row)]
                places = np.sort(similar[self._right(row)])[::-1]
                over = np.array([np.count_nonzero(rivals > place + TIE) for place in places], dtype=np.int64)
                near = np.array([np.count_nonzero(rivals >= place - TIE) for place in places], dtype=np.int64)
                above.append(over)
                tied.append(near - over)
                wrong[row] = len(rivals)
        return Retrieval(Ragged.of(above), Ragged.of(tied), wrong)

    @cached_property
    def _pairs(self) -> np.ndarray:
        """(right pairs, 2): key and position among ``known``, ascending."""
        rows, places = np.nonzero(self.positive)
        pairs = np.stack([self.key[rows], np.searchsorted(self.known, self.numbers[rows, places])], axis=1)
        return np.unique(pairs, axis=0)

    def _right(self, row: int) -> np.ndarray:
        keys, columns = self._pairs.T
        start, stop = np.searchsorted(keys, self.key[row], side="left"), np.searchsorted(keys, self.key[row], "right")
        found: np.ndarray = columns[start:stop]
        return found[found != self._own(row)] if self.among_themselves else found

    def _wrong(self, row: int) -> np.ndarray:
        mask = np.ones(len(self.known), dtype=bool)
        mask[self._right(row)] = False
        if (own := self._own(row)) >= 0:
            mask[own] = False
        return mask

    def _own(self, row: int) -> int:
        """Position of the query's own text; -1 where it is no candidate."""
        own = self.own[row]
        place = int(np.searchsorted(self.known, own))
        return place if place < len(self.known) and self.known[place] == own else -1


@dataclass(frozen=True, eq=False)
class Search(Outcome):
    """Vectors of some queries and candidates; ``complete`` ranks them when all rows of a split are joined.

    The other fields are those of ``Questions``.
    """

    query: np.ndarray  # (rows, width) float32
    candidates: np.ndarray  # (rows, candidates of a row, width) float32
    key: np.ndarray
    own: np.ndarray
    numbers: np.ndarray
    positive: np.ndarray
    among_themselves: bool = False

    def complete(self) -> Retrieval:
        """By cosine."""
        questions = Questions(self.key, self.own, self.numbers, self.positive, self.among_themselves)
        vectors = _unit(self.candidates.reshape(-1, self.candidates.shape[-1])[questions.first])
        queries = _unit(self.query)
        found = questions.ranked(lambda start, stop: queries[start:stop] @ vectors.T)
        return replace(found, units=self.units)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.finfo(np.float32).tiny))
