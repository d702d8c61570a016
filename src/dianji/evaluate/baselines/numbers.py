"""Baselines of regression: the mean of the training rows, and ridge regression on counted words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Fitted, Inputs
from dianji.evaluate.baselines.counted_words import text_features
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.regressed import Regressed
from dianji.registry import component


class Measurable(Protocol):
    """What these baselines ask of a task."""

    def baseline_inputs(self, table: pa.Table) -> Inputs:
        """Texts, or pairs of texts."""
        ...

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows, numbers) float64."""
        ...

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Outcome:
        """The outcome of (rows, numbers)."""
        ...


@component("baseline", "mean-number")
@dataclass(frozen=True)
class MeanNumber:
    """The mean of the training rows, whatever the input."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Regressed,)

    def fit(self, task: Measurable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        means = task.baseline_targets(table).mean(axis=0)
        return lambda rows: task.baseline_outcome(rows, np.tile(means, (rows.num_rows, 1)))


@component("baseline", "tfidf-ridge")
@dataclass(frozen=True)
class CountedRidge:
    """Ridge regression (Hoerl & Kennard, 1970) on counted words, as ``tfidf-logistic-regression`` counts them."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Regressed,)

    def fit(self, task: Measurable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``; draws nothing."""
        from sklearn.linear_model import Ridge

        inputs: list[Any] = list(task.baseline_inputs(table))
        targets = task.baseline_targets(table)
        means, deviations = targets.mean(axis=0), np.maximum(targets.std(axis=0), np.finfo(np.float64).tiny)
        features = text_features(inputs)
        model = Ridge(alpha=1.0, solver="sparse_cg", tol=1e-6)
        model.fit(features.fit_transform(inputs).astype(np.float64), (targets - means) / deviations)

        def answer(rows: pa.Table) -> Outcome:
            scaled = model.predict(features.transform(list(task.baseline_inputs(rows))).astype(np.float64))
            return task.baseline_outcome(rows, scaled.reshape(rows.num_rows, -1) * deviations + means)

        return answer
