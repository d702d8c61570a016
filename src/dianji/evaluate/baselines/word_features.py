"""Logistic regression on the spelling of a word and its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Fitted
from dianji.evaluate.logistic import logistic
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.spans import Spans
from dianji.evaluate.tagging import Tagging
from dianji.registry import component

#: It learns from at most so many words, in rows drawn by the seed: that takes seconds.
MOST_WORDS = 60_000
_FEATURES = 2**18


@component("baseline", "word-logistic-regression")
@dataclass(frozen=True)
class WordFeatures:
    """The word, its ends and its shape, the words beside it and their shapes; no tag depends on another one."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Spans,)

    def fit(self, task: Tagging, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``."""
        from sklearn.feature_extraction import FeatureHasher

        hasher = FeatureHasher(_FEATURES, input_type="string", dtype=np.float32)
        every, targets = task.baseline_words(table), task.baseline_tags(table)
        rows = _drawn(every, seed)
        words, tags = [every[row] for row in rows], [targets[row] for row in rows]
        size = len(task.tags.names)
        model = logistic(
            hasher.transform(chain.from_iterable(map(_features, words))),
            np.fromiter(chain.from_iterable(tags), dtype=np.int64),
            size,
            strength=1.0,
        )

        def scores(rows: list[list[str]]) -> list[np.ndarray]:
            count = sum(map(len, rows))
            if not count:
                return [np.empty((0, size), dtype=np.float32) for _ in rows]
            chances = model(hasher.transform(chain.from_iterable(map(_features, rows))))
            logs = np.log(np.maximum(chances, 1e-6)).astype(np.float32)
            return np.split(logs, np.cumsum([len(row) for row in rows])[:-1])

        return lambda rows: task.baseline_outcome(rows, scores(task.baseline_words(rows)))


def _drawn(rows: list[list[str]], seed: int) -> list[int]:
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(rows))
    total = np.cumsum([len(rows[row]) for row in order])
    most = int(np.searchsorted(total, MOST_WORDS, side="right"))
    return sorted(order[: max(1, most)].tolist())


def _features(words: list[str]) -> Iterator[list[str]]:
    """Of each word of a row."""
    lower, shapes = [word.lower() for word in words], [_shape(word) for word in words]
    for place, word in enumerate(lower):
        found = ["bias", f"w={word}", f"s={shapes[place]}", f"first={place == 0}"]
        found += [f"p{size}={word[:size]}" for size in (1, 2, 3)] + [f"e{size}={word[-size:]}" for size in (1, 2, 3)]
        for beside in (-2, -1, 1, 2):
            there = 0 <= place + beside < len(words)
            found += [f"w{beside}={lower[place + beside]}", f"s{beside}={shapes[place + beside]}"] if there else []
            found += [] if there else [f"none{beside}"]
        yield found


def _shape(word: str) -> str:
    """``McDonald's`` -> ``Aa'a``: runs of upper case, lower case and digits, each as one character."""
    kinds = ("0" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in word)
    return re.sub(r"(.)\1+", r"\1", "".join(kinds))
