"""Baselines of generated text: what is written without a model."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Fitted
from dianji.evaluate.baselines.counted_words import spaceless
from dianji.evaluate.generated import Generated
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

#: Where a sentence ends: a full stop and a space, or a full stop of Chinese or Japanese.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
#: Rows that are compared with all training rows at a time.
_AT_ONCE = 256


class TextPairs(Protocol):
    """What these baselines ask of a task."""

    def baseline_inputs(self, table: pa.Table) -> list[str]:
        """The sources."""
        ...

    def baseline_texts(self, table: pa.Table) -> list[str]:
        """The targets."""
        ...


@component("baseline", "source-copy")
@dataclass(frozen=True)
class SourceCopy:
    """The source, unchanged."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Generated,)

    def fit(self, task: TextPairs, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; learns nothing."""
        return lambda rows: Generated.of(task.baseline_inputs(rows), task.baseline_texts(rows))


@component("baseline", "lead-sentence")
@dataclass(frozen=True)
class LeadSentence:
    """The first sentence of the source."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Generated,)

    def fit(self, task: TextPairs, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; learns nothing."""
        return lambda rows: Generated.of(list(map(_lead, task.baseline_inputs(rows))), task.baseline_texts(rows))


@component("baseline", "frequent-target")
@dataclass(frozen=True)
class FrequentTarget:
    """The most frequent target of training; among equals the first in the order of Unicode."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Generated,)

    def fit(self, task: TextPairs, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``."""
        counts = Counter(task.baseline_texts(table))
        best = min(counts, key=lambda text: (-counts[text], text))
        return lambda rows: Generated.of([best] * rows.num_rows, task.baseline_texts(rows))


@component("baseline", "nearest-source")
@dataclass(frozen=True)
class NearestSource:
    """The target of the training row whose source is the most alike: cosine of TF-IDF of words, or of characters."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Generated,)

    def fit(self, task: TextPairs, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        sources, targets = task.baseline_inputs(table), task.baseline_texts(table)
        features = _features(sources)
        known = features.fit_transform(sources)

        def answer(rows: pa.Table) -> Outcome:
            asked = features.transform(task.baseline_inputs(rows))
            near = [_nearest(asked[start : start + _AT_ONCE], known) for start in range(0, asked.shape[0], _AT_ONCE)]
            places = np.concatenate([*near, np.empty(0, dtype=np.int64)])
            return Generated.of([targets[place] for place in places.tolist()], task.baseline_texts(rows))

        return answer


def _lead(text: str) -> str:
    return next((part.strip() for part in _SENTENCE.split(text) if part.strip()), "")


def _nearest(asked: Any, known: Any) -> np.ndarray:
    """(rows,) int64: the first of the training rows that are the most alike."""
    found: np.ndarray = np.asarray((asked @ known.T).toarray().argmax(axis=1))
    return found


def _features(texts: list[str]) -> Any:
    """A scikit-learn vectorizer, not fitted, that also takes texts without a single word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
    if spaceless(texts):
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 2), **common)
    return TfidfVectorizer(token_pattern=r"(?u)\w+|[^\w\s]", **common)
