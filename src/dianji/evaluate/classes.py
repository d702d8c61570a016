"""Precision, recall and F1 of each label with their intervals, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dianji.evaluate.bootstrap import interval
from dianji.evaluate.counts import Counts
from dianji.evaluate.metric import Estimate
from dianji.evaluate.outcome import Outcome

FIGURES = ("precision", "recall", "f1")


def per_class(outcome: Outcome, resamples: int, seed: int) -> dict[str, Any]:
    """Plain values: ``{"labels": {label: {"precision", "recall", "f1"}}, "confusion": [[...]]}``; empty without labels.

    Each figure is an estimate whose ``n`` is the number of rows (or spans) that have the label. A label that is never
    predicted has precision 0. ``confusion`` is left out where an outcome has none.

    Raises:
        DataError: there are no rows.
    """
    labels = outcome.plain().get("labels", ())
    if not labels or outcome.counts(np.ones((1, outcome.rows))) is None:
        return {}

    def figures(weights: np.ndarray) -> np.ndarray:
        counts = outcome.counts(weights)
        return np.zeros((len(weights), 3, len(labels))) if counts is None else _stacked(counts)

    value, low, high = interval(figures, outcome.rows, resamples, seed, outcome.units)
    support: Mapping[str, int] = outcome.support() or {}
    told = {
        label: {
            figure: Estimate(
                float(value[f, number]), float(low[f, number]), float(high[f, number]), support.get(label, 0)
            ).to_json()
            for f, figure in enumerate(FIGURES)
        }
        for number, label in enumerate(labels)
    }
    confusion = outcome.confusion()
    return {"labels": told, **({} if confusion is None else {"confusion": confusion})}


def _stacked(counts: Counts) -> np.ndarray:
    return np.stack([counts.precision(), counts.recall(), counts.f1()], axis=1)
