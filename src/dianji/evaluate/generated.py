"""The outcome of generation: what a model wrote beside what it should have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dianji.evaluate.ngrams import ngrams, overlap
from dianji.evaluate.outcome import Answer, Outcome
from dianji.evaluate.ragged import Ragged

#: (answers, references) -> (rows, statistics) float64, such as numbers of n-grams and matches, which are added up.
RowStatistics = Callable[[Sequence[str], Sequence[str]], np.ndarray]

#: A choice between tokens whose scores differ by less than this may be decided by rounding.
NEAR_TIE = 1e-3
#: A margin that no rounding overcomes.
SURE = 1e6


@dataclass(frozen=True, eq=False)
class Generated(Outcome):
    """Texts as UTF-8 bytes, because the files that keep outcomes hold no text.

    Metrics of a corpus, such as BLEU, are no mean over rows. They are functions of sums over rows, so that resampling
    needs the statistics of each row only: ``statistics`` computes them once.
    """

    answers: Ragged  # uint8
    references: Ragged  # uint8
    #: (rows,) float32: the smallest difference of scores that a choice behind the answer rests on.
    margin: np.ndarray

    @classmethod
    def of(cls, answers: Sequence[str], references: Sequence[str], margin: np.ndarray | None = None) -> Self:
        """From texts; without ``margin`` no choice was close."""
        sure = np.full(len(answers), SURE, dtype=np.float32)
        return cls(packed(answers), packed(references), sure if margin is None else margin.astype(np.float32))

    @cached_property
    def texts(self) -> tuple[list[str], list[str]]:
        """Answers and references."""
        return unpacked(self.answers), unpacked(self.references)

    def statistics(self, count: RowStatistics) -> np.ndarray:
        """(rows, statistics) float64; each kind is computed once for an outcome. ``count`` is a value that hashes."""
        if count not in self._statistics:
            self._statistics[count] = count(*self.texts)
        return self._statistics[count]

    def check(self) -> list[str]:
        """Also: texts are texts."""
        faults = super().check()
        for name, column in (("answers", self.answers), ("references", self.references)):
            try:
                unpacked(column)
            except UnicodeDecodeError:
                faults.append(f"the {name} are not UTF-8")
        return faults

    def exact(self) -> np.ndarray:
        """(rows,) bool: whether answer and reference are equal but for spaces around them."""
        answers, references = self.texts
        return np.array([a.strip() == b.strip() for a, b in zip(answers, references, strict=True)], dtype=bool)

    def quality(self) -> np.ndarray:
        """F1 of pairs of characters, which needs no words; of equal texts 1. A text that differs need not be wrong."""
        found = [_alike("".join(a.split()), "".join(b.split())) for a, b in zip(*self.texts, strict=True)]
        return np.array(found, dtype=np.float64)

    def describe(self, row: int) -> Answer:
        """Reference and answer."""
        answers, references = self.texts
        return Answer(references[row], answers[row])

    def distance(self, other: Self) -> np.ndarray:
        """(rows,) float64: 0 where the texts are equal, and where a near-tie decided between them; else infinite."""
        answers, references = (
            np.array([a == b for a, b in zip(ours, theirs, strict=True)], dtype=bool)
            for ours, theirs in zip(self.texts, other.texts, strict=True)
        )
        near = np.minimum(self.margin, other.margin) <= NEAR_TIE
        return np.where(references & (answers | near), 0.0, np.inf)

    @cached_property
    def _statistics(self) -> dict[RowStatistics, np.ndarray]:
        return {}


def _alike(answer: str, reference: str) -> float:
    if answer == reference:
        return 1.0
    ours, theirs = ngrams(answer, 2), ngrams(reference, 2)
    return 2 * overlap(ours, theirs) / max(1, ours.total() + theirs.total())


def packed(texts: Sequence[str]) -> Ragged:
    """Texts as UTF-8 bytes. Law: ``unpacked(packed(texts)) == list(texts)``."""
    rows = [np.frombuffer(text.encode("utf-8"), dtype=np.uint8) for text in texts]
    return Ragged.of(rows) if rows else Ragged(np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64))


def unpacked(rows: Ragged) -> list[str]:
    """Inverse of ``packed``.

    Raises:
        UnicodeDecodeError: a row is not UTF-8.
    """
    return [row.tobytes().decode("utf-8") for row in rows]
