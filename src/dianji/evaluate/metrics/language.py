"""Metrics per token: of language modelling and of tagging. Rows (texts) are resampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.errors import DataError
from dianji.evaluate.counts import ratio
from dianji.evaluate.modelled import Modelled
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.spans import Spans
from dianji.registry import component

#: Largest mean cost that is exponentiated, in nats per token; beyond it floats end.
MOST_NATS = 700.0


@component("metric", "perplexity")
@dataclass(frozen=True)
class Perplexity:
    """``exp`` of the mean negative log-likelihood per predicted token: between how many tokens the model hesitates."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Modelled,)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (1.0, math.inf)

    def __call__(self, outcome: Modelled, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = np.exp(np.minimum(_per_token(outcome, outcome.nll, weights), MOST_NATS))
        return values


@component("metric", "token-accuracy")
@dataclass(frozen=True)
class TokenAccuracy:
    """The share of predicted tokens that are right; in tagging, of words with the right tag."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Modelled, Spans)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Modelled | Spans, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _per_token(outcome, outcome.hits, weights)


def _per_token(outcome: Modelled | Spans, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if not outcome.tokens.any():
        raise DataError(
            f"none of the {outcome.rows} rows has a token to predict. Expected texts of at least two tokens; "
            "check the column that data.<name>.columns calls text."
        )
    return ratio(weights @ sums.astype(np.float64), weights @ outcome.tokens.astype(np.float64))
