"""Metrics of question answering: means over questions, as the official scripts of SQuAD and CMRC 2018 give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dianji.evaluate.answered import Answered
from dianji.evaluate.outcome import Outcome
from dianji.registry import component


@component("metric", "answer-f1")
@dataclass(frozen=True)
class AnswerF1:
    """The mean over questions of the F1 between the answer and the nearest expected one."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Answered,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, outcome: Answered, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = weights @ outcome.f1_values() / weights.sum(axis=1)
        return values


@component("metric", "answer-exact-match")
@dataclass(frozen=True)
class AnswerExactMatch:
    """The share of questions whose answer equals an expected one after normalisation."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Answered,)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    share_of_right: ClassVar[bool] = True

    def __call__(self, outcome: Answered, weights: np.ndarray) -> np.ndarray:
        """(resamples, rows) -> (resamples,)."""
        values: np.ndarray = weights @ outcome.exact_values() / weights.sum(axis=1)
        return values
