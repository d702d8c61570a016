"""Values with their 95 % intervals, by the percentile bootstrap (Efron & Tibshirani, 1993, chapter 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from dianji.errors import DataError
from dianji.evaluate.metric import Estimate, Metric
from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY

#: At most so many rows are drawn in all; beyond 200,000 rows that means fewer resamples than 1,000, never below 100.
MOST_DRAWS = 200_000_000
#: Rows times resamples that are held in memory at once (32 MB of weights).
AT_ONCE = 4_000_000

#: Weights (resamples, rows) -> values (resamples, …).
Statistic = Callable[[np.ndarray], np.ndarray]


def estimates(names: Iterable[str], outcome: Outcome, resamples: int, seed: int) -> dict[str, Estimate]:
    """The registered metrics of these names on ``outcome``, all on the same resamples.

    Raises:
        DataError: there are no rows.
        RecipeError: a name is not registered.
    """
    metrics: dict[str, Metric] = {name: REGISTRY.build("metric", name, {}) for name in names}

    def all_of_them(weights: np.ndarray) -> np.ndarray:
        return np.stack([metric(outcome, weights) for metric in metrics.values()], axis=1)

    if not metrics:
        return {}
    value, low, high = interval(all_of_them, outcome.rows, resamples, seed, outcome.units)
    return {
        name: Estimate(float(value[i]), float(low[i]), float(high[i]), outcome.rows) for i, name in enumerate(metrics)
    }


def estimate(metric: Metric, outcome: Outcome, resamples: int, seed: int) -> Estimate:
    """One metric with its interval.

    Raises:
        DataError: there are no rows.
    """
    value, low, high = interval(lambda weights: metric(outcome, weights), outcome.rows, resamples, seed, outcome.units)
    return Estimate(float(value), float(low), float(high), outcome.rows)


def interval(
    statistic: Statistic, rows: int, resamples: int, seed: int, units: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plain value, and the 2.5th and 97.5th percentile over resamples; each of the statistic's own shape.

    Args:
        statistic: see ``Statistic``.
        rows: how many there are.
        resamples: how many are drawn; see ``MOST_DRAWS``.
        seed: of the resamples.
        units: (rows,) the resampling unit of each row; None: each row is its own.

    Raises:
        DataError: there are no rows.
    """
    if rows == 0:
        raise DataError("there are no rows to measure on. Expected at least one; check the split and the cleaning.")
    value = statistic(np.ones((1, rows)))[0]
    drawn = np.concatenate([statistic(weights) for weights in row_weights(rows, resamples, seed, units)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return value, low, high


def row_weights(rows: int, resamples: int, seed: int, units: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """How often each row was drawn, in pieces (resamples, rows): multinomial counts with equal chances.

    With ``units`` whole units are drawn, and a row counts as often as its unit (the cluster bootstrap; Davison &
    Hinkley, 1997, 3.8): rows of one customer are no independent evidence.
    """
    if units is not None:
        yield from _unit_weights(units, resamples, seed)
        return
    left = min(resamples, max(100, MOST_DRAWS // rows))
    rng = np.random.Generator(np.random.PCG64(seed))
    while left:
        piece = min(left, max(1, AT_ONCE // rows))
        drawn = rng.integers(rows, size=(piece, rows)) + np.arange(piece)[:, None] * rows
        # Counting drawn row numbers is the same law as a multinomial draw and several times faster.
        yield np.bincount(drawn.ravel(), minlength=piece * rows).reshape(piece, rows).astype(np.float64)
        left -= piece


def _unit_weights(units: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    names, unit = np.unique(units, return_inverse=True)
    for weights in row_weights(len(names), resamples, seed):
        # In pieces: there may be far more rows than units.
        for piece in np.array_split(weights, max(1, -(-len(weights) * len(units) // AT_ONCE))):
            yield piece[:, unit]
