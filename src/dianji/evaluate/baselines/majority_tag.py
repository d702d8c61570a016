"""The tag that a word mostly has in training, whatever stands around it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Fitted
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.spans import Spans
from dianji.evaluate.tagging import Tagging
from dianji.registry import component

#: A word counts as if it had been seen so many times more, with the tags of all words.
_PRIOR = 0.1


@component("baseline", "majority-tag")
@dataclass(frozen=True)
class MajorityTag:
    """Each word has the tags of its training occurrences; a word that did not occur has those of all words."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Spans,)

    def fit(self, task: Tagging, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        size = len(task.tags.names)
        counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(size))
        words = chain.from_iterable(task.baseline_words(table))
        tags = chain.from_iterable(task.baseline_tags(table))
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
        total = np.sum([np.full(size, 1e-6), *counts.values()], axis=0)
        prior = total / total.sum()
        known = {word: _log(seen + _PRIOR * prior) for word, seen in counts.items()}
        unknown = _log(prior)

        def scores(words: list[str]) -> np.ndarray:
            found = [known.get(word, unknown) for word in words]
            return np.array(found, dtype=np.float32).reshape(-1, size)

        return lambda rows: task.baseline_outcome(rows, [scores(words) for words in task.baseline_words(rows)])


def _log(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(counts / counts.sum()))
