"""A share of rows with its interval, which stays honest for few rows and for shares of nothing or all."""

from __future__ import annotations

import math
from statistics import NormalDist

from dianji.errors import DataError
from dianji.evaluate.metric import Estimate


def wilson(hits: int, rows: int, level: float = 0.95) -> Estimate:
    """``hits / rows`` with Wilson's score interval (Wilson, 1927), which a bootstrap of few rows is too narrow for.

    Args:
        hits: rows that count, 0 to ``rows``.
        rows: all of them.
        level: how often such intervals hold the truth, in (0, 1).

    Raises:
        DataError: there are no rows.
    """
    if rows == 0:
        raise DataError("there are no rows to measure on. Expected at least one.")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, squared = hits / rows, z * z / rows
    middle = (share + squared / 2) / (1 + squared)
    half = z * math.sqrt(share * (1 - share) / rows + squared / (4 * rows)) / (1 + squared)
    return Estimate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), rows)
