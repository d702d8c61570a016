"""Metrics of retrieval over the whole collection. Queries without a right candidate count in none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from dianji.errors import DataError
from dianji.evaluate.counts import ratio
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ranked import Retrieval
from dianji.registry import component


@dataclass(frozen=True)
class _OfQueries:
    """The mean over queries of a figure of each."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Retrieval,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def of_query(self, outcome: Retrieval) -> np.ndarray:
        """(rows,) float64; anything finite where there is no right candidate."""
        raise NotImplementedError

    def __call__(self, outcome: Retrieval, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,).

        Raises:
            DataError: no query has a right candidate.
        """
        counted = outcome.answerable
        if not counted.any():
            raise DataError(
                f"none of the {outcome.rows} queries has a right candidate in its split, so nothing can be ranked. "
                "Expected at least one; with labels each label needs two texts. Use a larger split."
            )
        return ratio(weights @ (self.of_query(outcome) * counted), weights @ counted.astype(np.float64))


@dataclass(frozen=True)
class _Recall(_OfQueries):
    """Right candidates among the first ``AT``, of as many as could be there: ``AT``, or all right ones if fewer."""

    AT: ClassVar[int]

    def of_query(self, outcome: Retrieval) -> np.ndarray:
        """See ``_OfQueries``."""
        hits = np.zeros(outcome.rows)
        np.add.at(hits, outcome.above.entries, outcome.ranks.values <= self.AT)
        return np.asarray(hits / np.clip(outcome.above.lengths, 1, self.AT))


@component("metric", "recall-at-1")
@dataclass(frozen=True)
class RecallAt1(_Recall):
    """The share of queries whose most similar candidate is a right one."""

    AT: ClassVar[int] = 1
    share_of_right: ClassVar[bool] = True


@component("metric", "recall-at-5")
@dataclass(frozen=True)
class RecallAt5(_Recall):
    """Right candidates among the first 5, of as many as could be there: 5, or all right ones if fewer."""

    AT: ClassVar[int] = 5


@component("metric", "recall-at-10")
@dataclass(frozen=True)
class RecallAt10(_Recall):
    """Right candidates among the first 10, of as many as could be there: 10, or all right ones if fewer."""

    AT: ClassVar[int] = 10


@component("metric", "mrr")
@dataclass(frozen=True)
class MeanReciprocalRank(_OfQueries):
    """One by the rank of the best right candidate, with no cut-off (Voorhees, 1999)."""

    def of_query(self, outcome: Retrieval) -> np.ndarray:
        """See ``_OfQueries``."""
        return np.asarray(1 / outcome.first())


@component("metric", "ndcg")
@dataclass(frozen=True)
class NormalisedDiscountedCumulativeGain(_OfQueries):
    """Normalised discounted cumulative gain, each right candidate with gain 1 (Järvelin & Kekäläinen, 2002).

    Args:
        at: ranks beyond it gain nothing.
    """

    at: Annotated[int, Field(gt=0)] = 10

    def of_query(self, outcome: Retrieval) -> np.ndarray:
        """See ``_OfQueries``."""
        ranks = outcome.ranks.values
        gained = np.zeros(outcome.rows)
        np.add.at(gained, outcome.above.entries, np.where(ranks <= self.at, 1 / np.log2(1 + ranks), 0.0))
        best = np.cumsum(1 / np.log2(1 + np.arange(1, self.at + 1)))
        return np.asarray(gained / best[np.clip(outcome.above.lengths, 1, self.at) - 1])
