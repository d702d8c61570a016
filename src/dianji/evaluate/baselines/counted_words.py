"""Counted words: TF-IDF and logistic regression."""

from __future__ import annotations

import re
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
    """Words and word pairs with pieces of words; single to triple characters where words are not spaced."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)

    def fit(self, task: Comparable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        texts = list(task.baseline_inputs(table))
        features = text_features(texts)
        model = logistic(features.fit_transform(texts), task.baseline_targets(table), len(task.labels), strength=10.0)
        return lambda rows: task.baseline_outcome(rows, model(features.transform(list(task.baseline_inputs(rows)))))


def spaceless(texts: list[str]) -> bool:
    """Whether most texts have characters of a script without spaces between words."""
    return sum(bool(_NO_SPACES.search(text)) for text in texts) > len(texts) / 2


def text_features(texts: list[str]) -> Any:
    """A scikit-learn transformer, not fitted: which counts are taken depends on how the texts are written."""
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
