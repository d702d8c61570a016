"""Metrics per token: of language modelling and of tagging. Rows (texts) are resampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.errors import DataError
from dianji.evaluate.conversed import Conversed
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

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Modelled, Conversed)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (1.0, math.inf)

    def __call__(self, outcome: Modelled | Conversed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = np.exp(np.minimum(_per_token(outcome, outcome.nll, weights), MOST_NATS))
        return values


@component("metric", "token-accuracy")
@dataclass(frozen=True)
class TokenAccuracy:
    """The share of predicted tokens that are right; in tagging, of words with the right tag."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Modelled, Spans, Conversed)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Modelled | Spans | Conversed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return _per_token(outcome, outcome.hits, weights)


@component("metric", "turn-loss")
@dataclass(frozen=True)
class TurnLoss:
    """The mean cost of an answer's token in nats, in which every answer counts alike, however long it is.

    The loss of the first answers, the second ones and so on is in ``Conversed.breakdown``.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Conversed,)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __call__(self, outcome: Conversed, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        return ratio(weights @ outcome.mean_of_turns(), weights @ outcome.turns().astype(np.float64))


def _per_token(outcome: Modelled | Spans | Conversed, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if not outcome.tokens.any():
        raise DataError(
            f"none of the {outcome.rows} rows has a token to predict. Expected texts of at least two tokens; "
            "check the column that data.<name>.columns calls text."
        )
    return ratio(weights @ sums.astype(np.float64), weights @ outcome.tokens.astype(np.float64))
