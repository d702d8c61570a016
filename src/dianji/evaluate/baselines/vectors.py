"""Vectors that know nothing of meaning, and those of the base before it was trained."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Fitted
from dianji.evaluate.baselines.counted_words import text_features
from dianji.evaluate.conversed import Conversed
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ranked import Retrieval
from dianji.evaluate.similar import Similarity
from dianji.registry import component

_WIDTH = 64


class Embeddable(Protocol):
    """What these baselines ask of a task and its base."""

    def texts(self, table: pa.Table) -> list[str]:
        """All texts of all rows."""
        ...

    def outcome(self, table: pa.Table, embed: object) -> Outcome:
        """Of other vectors: ``embed`` makes (texts, width) of length one from texts, dense or sparse."""
        ...

    def before_training(self) -> Fitted | None:
        """Gives the outcome of the base's own vectors; None where it is new."""
        ...


@component("baseline", "random-vectors")
@dataclass(frozen=True)
class RandomVectors:
    """A vector at random for each text; equal texts have equal vectors."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Similarity, Retrieval)

    def fit(self, task: Embeddable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; learns nothing."""

        def embed(texts: list[str]) -> np.ndarray:
            numbers = [zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts]
            found = np.stack([np.random.default_rng([seed, number]).normal(size=_WIDTH) for number in numbers])
            return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))

        return lambda rows: task.outcome(rows, embed)


@component("baseline", "tfidf-cosine")
@dataclass(frozen=True)
class CountedCosine:
    """The cosine of counted words (TF-IDF), as ``tfidf-logistic-regression`` counts them."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Similarity, Retrieval)

    def fit(self, task: Embeddable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        from sklearn.preprocessing import normalize  # takes a second to import

        texts = task.texts(table)
        features = text_features(texts).fit(texts)
        return lambda rows: task.outcome(rows, lambda some: normalize(features.transform(some)))


@component("baseline", "before-training")
@dataclass(frozen=True)
class BeforeTraining:
    """The base's own vectors, or its own answers, made as the trained model's are. Does not apply to a new base."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Similarity, Retrieval, Conversed)

    def fit(self, task: Embeddable, table: pa.Table, seed: int) -> Fitted | None:
        """See ``Baseline``; learns nothing."""
        return task.before_training()
