"""Ranks and correlations of weighted rows; whole weights give what repeating the rows gives."""

from __future__ import annotations

import numpy as np

#: A variance below this share of the squared size of the values is rounding.
_NOTHING = 1e-20


def ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Midranks from 1: rows with equal values share the mean of their places (Kendall, 1948).

    Args:
        values: (rows,).
        weights: (resamples, rows): how often each row counts.

    Returns:
        (resamples, rows) float64. The rank of a row that counts zero times means nothing.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    of_group = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(of_group, axis=1) - of_group + (of_group + 1) / 2
    found = np.empty(weights.shape)
    found[:, order] = np.repeat(middle, np.diff(np.append(starts, len(values))), axis=1)
    return found


def correlation(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation; 0 where one of the two does not vary.

    Args:
        first: (rows,) or (resamples, rows).
        second: of either shape, too.
        weights: (resamples, rows).

    Returns:
        (resamples,) float64 in [-1, 1].
    """
    one, other = _centred(first, weights), _centred(second, weights)
    spread = [(weights * values**2).sum(axis=1) for values in (one, other)]
    size = [(weights * np.square(values)).sum(axis=1) for values in (first, second)]
    varies = (spread[0] > _NOTHING * size[0]) & (spread[1] > _NOTHING * size[1])
    above, below = (weights * one * other).sum(axis=1), np.sqrt(spread[0] * spread[1])
    found = np.divide(above, below, out=np.zeros(len(weights)), where=varies)
    return np.asarray(np.clip(found, -1.0, 1.0))


def _centred(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean = (weights * values).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    return np.asarray(values - mean)
