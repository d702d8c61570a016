"""BM25 (Robertson & Walker, 1994), with Lucene's inverse document frequency, which is never negative."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from dianji.reporting import Meter
from dianji.retrieval.ranking import Ranking
from dianji.retrieval.terms import terms
from dianji.store.atomic import write_text

#: How soon repetitions of a term stop to count, and how much long passages are discounted: Lucene's values.
K1, B = 1.2, 0.75

_TENSORS, _TERMS = "bm25.safetensors", "terms.json"


@dataclass(frozen=True)
class BM25:
    """What each term adds to the score of each passage, computed once when the index is made."""

    terms: tuple[str, ...]  # ascending
    ends: np.ndarray  # (terms + 1,) int64: where the passages of each term begin and end
    passages: np.ndarray  # (entries,) int32
    weights: np.ndarray  # (entries,) float32
    size: int  # passages in all

    @classmethod
    def fit(cls, texts: Iterable[str], meter: Meter) -> BM25:
        """Count the terms of all passages."""
        numbers: dict[str, int] = {}
        columns: list[np.ndarray] = []
        lengths: list[int] = []
        for text in texts:
            found = [numbers.setdefault(term, len(numbers)) for term in terms(text)]
            columns.append(np.array(found, dtype=np.int64))
            lengths.append(len(found))
            meter.advance(1)
        names = sorted(numbers)
        rank = np.empty(len(names), dtype=np.int64)
        rank[[numbers[name] for name in names]] = np.arange(len(names))
        size = len(lengths)
        rows = np.repeat(np.arange(size), lengths)
        flat = rank[np.concatenate([*columns, np.empty(0, dtype=np.int64)])]
        keys, counts = np.unique(flat * max(1, size) + rows, return_counts=True)
        term, passage = keys // max(1, size), keys % max(1, size)
        frequency = np.bincount(term, minlength=len(names))
        inverse = np.log1p((size - frequency + 0.5) / (frequency + 0.5))
        mean = max(1.0, float(np.mean(lengths))) if lengths else 1.0
        discount = K1 * (1 - B + B * np.array(lengths, dtype=np.float64)[passage] / mean)
        weights = inverse[term] * counts * (K1 + 1) / (counts + discount)
        ends = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
        return cls(tuple(names), ends, passage.astype(np.int32), weights.astype(np.float32), size)

    def rank(self, queries: Sequence[str], k: int) -> Ranking:
        """The best passages that share a term with each query."""
        return Ranking.of([self._scored(query) for query in queries], k)

    def write(self, folder: Path) -> None:
        """Two files; inverse of ``read``."""
        size = np.array([self.size], dtype=np.int64)
        save_file(
            {"ends": self.ends, "passages": self.passages, "weights": self.weights, "size": size}, folder / _TENSORS
        )
        write_text(folder / _TERMS, json.dumps(list(self.terms), ensure_ascii=True))

    @classmethod
    def read(cls, folder: Path) -> BM25:
        """Inverse of ``write``."""
        held = load_file(folder / _TENSORS)
        names = tuple(json.loads((folder / _TERMS).read_text(encoding="utf-8")))
        return cls(names, held["ends"], held["passages"], held["weights"], int(held["size"][0]))

    def _scored(self, query: str) -> tuple[np.ndarray, np.ndarray]:
        """(passages, scores) of all that share a term with the query."""
        known = [self._numbers[term] for term in terms(query) if term in self._numbers]
        spans = [slice(int(self.ends[term]), int(self.ends[term + 1])) for term in known]
        if not spans:
            return np.empty(0, dtype=np.int64), np.empty(0)
        passages = np.concatenate([self.passages[span] for span in spans])
        weights = np.concatenate([self.weights[span] for span in spans]).astype(np.float64)
        scores = np.bincount(passages, weights, minlength=self.size)
        found = np.flatnonzero(scores)
        return found, scores[found]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {term: number for number, term in enumerate(self.terms)}
