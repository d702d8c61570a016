"""The contract of a metric: a statistic of weighted rows, so that one code path gives the value and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from dianji.evaluate.outcome import Outcome


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % percentile-bootstrap interval over ``n`` rows (Efron & Tibshirani, 1993)."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        """``{"value", "low", "high", "n"}``."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


class Metric(Protocol):
    """A frozen dataclass. ``outcomes`` names the kinds of outcome it can be computed on.

    A metric that is the share of rows for which ``Outcome.right`` holds says so by a class attribute
    ``share_of_right``; paired comparisons of it then also get an exact test.
    """

    outcomes: ClassVar[tuple[type[Outcome], ...]]
    higher_is_better: ClassVar[bool]
    range: ClassVar[tuple[float, float]]

    def __call__(self, outcome: Any, weights: np.ndarray) -> np.ndarray:
        """``weights`` (resamples, rows): how often each row counts -> (resamples,) values. All ones: the plain one."""
        ...


def is_share_of_right(metric: Metric) -> bool:
    """Whether the metric is the share of rows for which ``Outcome.right`` holds."""
    return bool(getattr(metric, "share_of_right", False))
