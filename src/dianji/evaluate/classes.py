"""Precision, recall and F1 of each label with their intervals, and who is taken for whom."""

from __future__ import annotations

from typing import Any

import numpy as np

from dianji.evaluate.bootstrap import interval
from dianji.evaluate.counts import count, indicators
from dianji.evaluate.metric import Estimate
from dianji.evaluate.outcome import Classified, Tagged

FIGURES = ("precision", "recall", "f1")


def per_class(outcome: Classified | Tagged, resamples: int, seed: int) -> dict[str, Any]:
    """Plain values: ``{"labels": {label: {"precision", "recall", "f1"}}, "confusion": [[...]]}``.

    Each figure is an estimate whose ``n`` is the number of rows that have the label. A label that is never predicted
    has precision 0. ``confusion[i][j]`` counts rows of label i that were given label j; with several labels per row
    ``confusion[i]`` is ``[[neither, wrongly given], [missed, hit]]`` of label i.

    Raises:
        DataError: there are no rows.
    """

    def figures(weights: np.ndarray) -> np.ndarray:
        counts = count(outcome, weights)
        return np.stack([counts.precision(), counts.recall(), counts.f1()], axis=1)

    value, low, high = interval(figures, outcome.rows, resamples, seed)
    target, _ = indicators(outcome)
    support = np.asarray(target.sum(axis=0)).ravel().astype(int)
    labels = {
        label: {
            figure: Estimate(
                float(value[f, number]), float(low[f, number]), float(high[f, number]), int(support[number])
            ).to_json()
            for f, figure in enumerate(FIGURES)
        }
        for number, label in enumerate(outcome.labels)
    }
    return {"labels": labels, "confusion": _confusion(outcome)}


def _confusion(outcome: Classified | Tagged) -> list[Any]:
    target, given = indicators(outcome)
    if isinstance(outcome, Classified):
        table: list[Any] = (target.T @ given).toarray().astype(int).tolist()
        return table
    counts = count(outcome, np.ones((1, outcome.rows)))
    hits, predicted, support = (figure[0].astype(int) for figure in (counts.hits, counts.predicted, counts.support))
    neither = outcome.rows - predicted - support + hits
    return np.stack([neither, predicted - hits, support - hits, hits], axis=1).reshape(-1, 2, 2).tolist()
