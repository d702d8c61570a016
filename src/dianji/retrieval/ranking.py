"""Rankings: which passages come first for each query, as arrays and as hits for people; and rankings fused to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: How much a first place counts more than later ones (Cormack, Clarke & Büttcher, 2009).
_RANK_CONSTANT = 60


@dataclass(frozen=True)
class Ranking:
    """The best passages of each query, the best first; equal scores in the order of the passages."""

    passages: np.ndarray  # (queries, k) int64; -1 where fewer were found
    scores: np.ndarray  # (queries, k) float64; -inf there

    @classmethod
    def of(cls, rows: Sequence[tuple[np.ndarray, np.ndarray]], k: int) -> Ranking:
        """The first ``k`` of each query's (passages, scores), which come in any order."""
        passages = np.full((len(rows), k), -1, dtype=np.int64)
        scores = np.full((len(rows), k), -np.inf)
        for row, (found, score) in enumerate(rows):
            order = np.lexsort((found, -score))[:k]
            passages[row, : len(order)], scores[row, : len(order)] = found[order], score[order]
        return cls(passages, scores)

    def found(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Passages and scores of one query, without places that are not filled."""
        real = self.passages[row] >= 0
        return self.passages[row][real], self.scores[row][real]


@dataclass(frozen=True)
class Hit:
    """A passage that was found."""

    rank: int  # from 1
    score: float  # a cosine, BM25's score, a fused score, or what a re-ranking model says
    id: str  # of the document
    source: str  # its file and row
    start: int  # characters of the document
    stop: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def fused(rankings: Sequence[Ranking], k: int) -> Ranking:
    """Reciprocal rank fusion: a passage scores (c + 1) / (c + rank) in each ranking that has it, with c = 60.

    So a passage that comes first in both of two rankings scores 2.
    """
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for row in range(len(rankings[0].passages)):
        places = [ranking.found(row)[0] for ranking in rankings]
        gained = [(_RANK_CONSTANT + 1) / (_RANK_CONSTANT + 1 + np.arange(len(found))) for found in places]
        passages, number = np.unique(np.concatenate(places), return_inverse=True)
        rows.append((passages, np.bincount(number, np.concatenate(gained), minlength=len(passages))))
    return Ranking.of(rows, k)
