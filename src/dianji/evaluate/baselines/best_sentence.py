"""The sentence of the context that shares most with the question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.answered import Answered
from dianji.evaluate.baseline import Fitted
from dianji.evaluate.baselines.counted_words import text_features
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

_SENTENCE = re.compile(r"[^。！？!?\n.]*(?:[。！？!?\n]+|\.(?=\s|$)|\.|$)")


@component("baseline", "best-sentence")
@dataclass(frozen=True)
class BestSentence:
    """By the cosine of TF-IDF over words or characters; it never says that there is no answer."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Answered,)

    def fit(self, task: Any, table: pa.Table, seed: int) -> Fitted:
        """Inverse document frequencies of the training contexts; draws nothing."""
        contexts = list(dict.fromkeys(table["context"].to_pylist()))
        features = text_features(contexts).fit([*contexts, *table["question"].to_pylist()])

        def answer(rows: pa.Table) -> Outcome:
            pairs = zip(rows["question"].to_pylist(), rows["context"].to_pylist(), strict=True)
            found: Outcome = task.baseline_outcome(rows, [_best(features, *pair) for pair in pairs])
            return found

        return answer


def _best(features: Any, question: str, context: str) -> str:
    sentences: list[str] = [part.strip() for part in _SENTENCE.findall(context) if part.strip()] or [context]
    likeness = features.transform(sentences) @ features.transform([question]).T
    best = int(np.asarray(likeness.todense()).ravel().argmax())
    return sentences[best]
