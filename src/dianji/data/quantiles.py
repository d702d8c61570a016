"""Quantiles of lengths and numbers, as reports show them."""

from __future__ import annotations

import numpy as np

_QUANTILES = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def quantiles(values: np.ndarray) -> dict[str, float]:
    """min, p5, median, mean, p95, p99, max; empty for no values."""
    if not len(values):
        return {}
    found = np.quantile(values, list(_QUANTILES.values()))
    return {
        **{name: float(value) for name, value in zip(_QUANTILES, found, strict=True)},
        "mean": round(float(values.mean()), 2),
    }
