"""ROUGE: how much of a reference an answer repeats (Lin, 2004); the F1 of each row, averaged over rows.

Words are runs of letters and digits in lower case, without stemming; Chinese, Japanese and Korean count by character.
On English text the values are those of the package ``rouge-score``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.generated import Generated
from dianji.evaluate.ngrams import common_subsequence, ngrams, overlap
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

_ALONE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
#: A character of a script that is counted by character, or a word of any other one.
_UNIT = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")

Words = tuple[str, ...]


@dataclass(frozen=True)
class _Overlap:
    """(rows, 1): F1 of the n-grams of one order; of the longest common subsequence where the order is 0."""

    order: int

    def __call__(self, answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
        shared: Callable[[Words, Words], float] = self._grams if self.order else _subsequence
        rows = [shared(_words(a), _words(b)) for a, b in zip(answers, references, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(-1, 1)

    def _grams(self, answer: Words, reference: Words) -> float:
        ours, theirs = ngrams(answer, self.order), ngrams(reference, self.order)
        return _f1(overlap(ours, theirs), ours.total(), theirs.total())


class _Rouge:
    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Generated,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    order: ClassVar[int]

    def __call__(self, outcome: Generated, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = weights @ outcome.statistics(_Overlap(self.order))[:, 0] / weights.sum(axis=1)
        return values


@component("metric", "rouge-1")
@dataclass(frozen=True)
class Rouge1(_Rouge):
    """F1 of single words."""

    order: ClassVar[int] = 1


@component("metric", "rouge-2")
@dataclass(frozen=True)
class Rouge2(_Rouge):
    """F1 of pairs of words."""

    order: ClassVar[int] = 2


@component("metric", "rouge-l")
@dataclass(frozen=True)
class RougeL(_Rouge):
    """F1 of the longest sequence of words that both sides have in this order, with gaps."""

    order: ClassVar[int] = 0


def _words(text: str) -> Words:
    return tuple(_UNIT.findall(text.lower()))


def _subsequence(answer: Words, reference: Words) -> float:
    return _f1(common_subsequence(answer, reference), len(answer), len(reference))


def _f1(shared: int, ours: int, theirs: int) -> float:
    """Harmonic mean of precision and recall; 0 where a side is empty."""
    return 2 * shared / (ours + theirs) if ours and theirs else 0.0
