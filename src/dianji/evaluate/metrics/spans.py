"""Span metrics: precision, recall and F1 of exact spans, as conlleval and seqeval's default mode count them.

Tjong Kim Sang & De Meulder (2003); Nakayama (2018, seqeval). Rows are resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.counts import Counts, ratio
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.spans import Spans
from dianji.registry import component


@component("metric", "span-f1")
@dataclass(frozen=True)
class SpanF1:
    """Harmonic mean of precision and recall over all spans together."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Spans,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Spans, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        total = _total(outcome, weights)
        return ratio(2 * total.hits, total.predicted + total.support)


@component("metric", "span-precision")
@dataclass(frozen=True)
class SpanPrecision:
    """The share of given spans that are right."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Spans,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Spans, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _total(outcome, weights).precision()


@component("metric", "span-recall")
@dataclass(frozen=True)
class SpanRecall:
    """The share of true spans that are given."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Spans,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Spans, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _total(outcome, weights).recall()


@component("metric", "span-macro-f1")
@dataclass(frozen=True)
class SpanMacroF1:
    """The mean of the labels' F1; labels that stand nowhere, neither true nor given, count in no average."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Spans,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Spans, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        counts = outcome.counts(weights)
        return ratio(counts.f1().sum(axis=1), counts.occurs().sum(axis=1))


def _total(outcome: Spans, weights: np.ndarray) -> Counts:
    """(resamples,) each."""
    counts = outcome.counts(weights)
    return Counts(*(of.sum(axis=1) for of in (counts.hits, counts.predicted, counts.support)))
