"""The outcome of sequence tagging: labelled spans of words, exactly right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from dianji.evaluate.counts import Counts
from dianji.evaluate.outcome import Answer, Outcome, row_distance
from dianji.evaluate.ragged import Ragged

#: A margin that no rounding overcomes.
SURE = 1e6
#: Scores that differ by less than this may be ordered otherwise by another processor's rounding.
NEAR_TIE = 1e-3


@dataclass(frozen=True, eq=False)
class Spans(Outcome):
    """A span is right if start, end and label are; words without a span count in ``hits`` alone.

    Spans are rows of int64 ``[start, end, label number]``, ascending; they do not overlap. ``end`` is excluded.
    """

    labels: tuple[str, ...]
    gold: Ragged  # (rows, …, 3)
    given: Ragged  # (rows, …, 3)
    tokens: np.ndarray  # (rows,) int64: words
    hits: np.ndarray  # (rows,) int64: words with the right tag
    #: (rows,) float32: by how much the given tags beat the next best of the row; beyond ``SURE`` where unknown.
    margins: np.ndarray

    def right(self) -> np.ndarray:
        """(rows,) bool: all spans of the row, and no other."""
        matched = np.bincount(self.gold.entries, self._matches(), minlength=self.rows)
        return np.asarray((matched == self.gold.lengths) & (matched == self.given.lengths))

    def support(self) -> Mapping[str, int]:
        """Spans of each label that occurs."""
        counted = np.bincount(self.gold.values[:, 2], minlength=len(self.labels)).tolist()
        return {label: count for label, count in zip(self.labels, counted, strict=True) if count}

    def counts(self, weights: np.ndarray) -> Counts:
        """Per label; items are spans."""
        hits = self._per_label(self.gold, self._matches())
        given, gold = (self._per_label(spans, np.ones(len(spans.values))) for spans in (self.given, self.gold))
        return Counts(weights @ hits, weights @ given, weights @ gold)

    def describe(self, row: int) -> Answer:
        """Two lists of labels with their words, counted from 1."""
        return Answer(self._named(self.gold[row]), self._named(self.given[row]))

    def distance(self, other: Self) -> np.ndarray:
        """Tags that were chosen by less than rounding may differ; margins, which are long sums, are not compared."""
        worst = np.zeros(self.rows)
        for name in ("gold", "given", "tokens", "hits"):
            worst = np.maximum(worst, row_distance(getattr(self, name), getattr(other, name)))
        return np.where(np.minimum(self.margins, other.margins) <= NEAR_TIE, 0.0, worst)

    def check(self) -> list[str]:
        """Also: spans are within their rows, ascending and apart; no more hits than words."""
        faults = super().check()
        if faults:
            return faults
        for name, spans in (("gold", self.gold), ("given", self.given)):
            if spans.values.shape[1:] != (3,):
                return [*faults, f"{name}: expected three numbers per span, found {list(spans.values.shape[1:])}"]
            faults += self._misplaced(name, spans)
        if ((self.hits < 0) | (self.hits > self.tokens)).any():
            faults.append("a row has more right words than words")
        return faults

    def _misplaced(self, name: str, spans: Ragged) -> list[str]:
        start, end, label = spans.values.T
        faults = []
        if ((start < 0) | (end <= start) | (end > self.tokens[spans.entries])).any():
            faults.append(f"{name}: a span is empty or outside its row")
        if ((label < 0) | (label >= len(self.labels))).any():
            faults.append(f"{name}: the label of a span is none of the labels")
        if ((start[1:] < end[:-1]) & (spans.entries[1:] == spans.entries[:-1])).any():
            faults.append(f"{name}: spans overlap, or are not in order")
        return faults

    def _matches(self) -> np.ndarray:
        """(gold spans,) float64: 1 where the same span was given."""
        gold, given = (np.column_stack([spans.entries, spans.values]) for spans in (self.gold, self.given))
        return np.asarray(np.isin(_keys(gold), _keys(given)), dtype=np.float64)

    def _per_label(self, spans: Ragged, values: np.ndarray) -> csr_matrix:
        """(rows, labels): sums of a value per span."""
        return csr_matrix((values, (spans.entries, spans.values[:, 2])), shape=(self.rows, len(self.labels)))

    def _named(self, spans: np.ndarray) -> str:
        named = (
            f"{self.labels[label]} {start + 1}" + (f"–{end}" if end > start + 1 else "")
            for start, end, label in spans.tolist()
        )
        return ", ".join(named) or "–"


def _keys(rows: np.ndarray) -> np.ndarray:
    """(rows,) one opaque value per row of numbers."""
    whole = np.ascontiguousarray(rows, dtype=np.int64)
    return whole.view([("", np.int64)] * whole.shape[1]).reshape(-1)
