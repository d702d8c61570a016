"""Counted words: TF-IDF and logistic regression."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Comparable, Fitted
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.logistic import logistic
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana and Chinese characters


@component("baseline", "tfidf-logistic-regression")
@dataclass(frozen=True)
class CountedWords:
    """Words and word pairs with pieces of words; single to triple characters where words are not spaced.

    Of pairs of texts: the counts of either text, what they share, how they differ, and their cosine.
    """

    serves: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)

    def fit(self, task: Comparable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        return _fitted(task, table, lambda rows: list(task.baseline_inputs(rows)))


@component("baseline", "second-text-alone")
@dataclass(frozen=True)
class SecondTextAlone:
    """The same on the second text of each pair, without the first one.

    It never compares the two texts. A high score means that the wording of the second text gives the label away
    (Gururangan et al., 2018, arXiv:1803.02324).
    """

    serves: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)

    def fit(self, task: Comparable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        return _fitted(task, table, lambda rows: [pair[1] for pair in task.baseline_inputs(rows)])


def _fitted(task: Comparable, table: pa.Table, read: Callable[[pa.Table], list[Any]]) -> Fitted:
    inputs = read(table)
    features = text_features(inputs)
    model = logistic(features.fit_transform(inputs), task.baseline_targets(table), len(task.labels), strength=10.0)
    return lambda rows: task.baseline_outcome(rows, model(features.transform(read(rows))))


def spaceless(texts: list[str]) -> bool:
    """Whether most texts have characters of a script without spaces between words."""
    return sum(bool(_NO_SPACES.search(text)) for text in texts) > len(texts) / 2


def text_features(texts: list[Any]) -> Any:
    """A scikit-learn transformer, not fitted: which counts are taken depends on how the texts are written.

    Args:
        texts: texts, or pairs of texts.
    """
    if texts and isinstance(texts[0], tuple):
        return PairFeatures(text_features([text for pair in texts for text in pair]))
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
    parts = (
        [("characters", TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common))]
        if spaceless(texts)
        else [
            ("words", TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common)),
            ("pieces", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **common)),
        ]
    )
    return FeatureUnion(parts)


@dataclass(frozen=True)
class PairFeatures:
    """Counts of pairs of texts; ``counts`` is a transformer of single texts, fitted to both sides together."""

    counts: Any

    def fit_transform(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """Fit ``counts``; then as ``transform``."""
        self.counts.fit([text for pair in pairs for text in pair])
        return self.transform(pairs)

    def transform(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """(pairs, features), sparse."""
        from scipy.sparse import csr_matrix, hstack

        one, other = (self.counts.transform([pair[side] for pair in pairs]) for side in (0, 1))
        shared = one.multiply(other)
        cosine = csr_matrix(shared.sum(axis=1)) / max(1, len(self.counts.transformer_list))
        return hstack([one, other, shared, abs(one - other), cosine], format="csr", dtype=np.float32)
