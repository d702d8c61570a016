"""The contract of a metric: a statistic of weighted rows, so that one code path gives the value and its interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY


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
    ``share_of_right``; paired comparisons of it then also get an exact test. A metric that several programs count in
    different ways has a method ``signature(outcome)``, which says how this one did.
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


def signatures(names: Iterable[str], outcome: Outcome) -> dict[str, str]:
    """What metrics say of how they count, where they have a ``signature(outcome)``: versions, tokenizer, smoothing.

    Raises:
        RecipeError: a name is not registered.
    """
    metrics = {name: REGISTRY.build("metric", name, {}) for name in names}
    return {name: metric.signature(outcome) for name, metric in metrics.items() if hasattr(metric, "signature")}
