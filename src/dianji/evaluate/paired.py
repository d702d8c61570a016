"""Is one model better than another on the same rows? Paired tests, corrected for how many were made.

There are two tests, and a difference counts only where both agree. The bootstrap resamples rows and seeds and works for
every metric. The exact test resamples nothing: if two models were equally good, then on every row it would be chance
which of the two got it right more often, so each row's difference keeps its size and may have either sign. The
distribution of their sum is computed exactly. With one seed this is McNemar's exact test (McNemar, 1947); with several
it is the randomisation test of Fisher and Pitman (Pitman, 1937) over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

ALPHA = 0.05
#: Below so many rows resampling them says little about rows that were not seen, and no verdict is given.
LEAST_ROWS = 30

#: Up to so many products sums are added up one by one.
QUICKLY = 100_000_000

Verdict = Literal["better", "worse", "not distinguishable", "no verdict"]


def exact(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p-value that ``second`` and ``first`` are equally often right; the exact test of this module.

    Args:
        first: (seeds, rows) bool, whether a seed's model was right on a row.
        second: the same of the other model.
    """
    from scipy import stats  # takes half a second to import, which most commands need not wait for

    difference = second.sum(axis=0, dtype=np.int64) - first.sum(axis=0, dtype=np.int64)  # (rows,)
    sizes = np.abs(difference)
    chances = np.ones(1)  # of each sum from its lowest to its highest
    for size in range(1, int(sizes.max(initial=0)) + 1):
        rows = int((sizes == size).sum())
        signs = np.zeros(2 * size * rows + 1)
        signs[:: 2 * size] = stats.binom.pmf(np.arange(rows + 1), rows, 0.5)  # a row of this size adds -size or +size
        chances = _convolved(chances, signs)
    sums = np.arange(len(chances)) - len(chances) // 2
    extreme = np.abs(sums) >= abs(int(difference.sum()))
    return float(min(1.0, chances[extreme].sum()))


def _convolved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The distribution of a sum; where that is much quicker by Fourier transforms, which round tiny chances to 0."""
    if len(first) * len(second) <= QUICKLY:
        return np.convolve(first, second)
    length = len(first) + len(second) - 1
    found = np.fft.irfft(np.fft.rfft(first, length) * np.fft.rfft(second, length), length)
    return np.asarray(np.maximum(found, 0.0))


def resampled(differences: np.ndarray) -> float:
    """Two-sided p-value that the differences (resamples,) lie around 0: twice the smaller tail.

    A difference of 0 counts in both tails, and one more in each keeps p above 0 (Davison & Hinkley, 1997, 4.11).
    """
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(differences) + 1))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected so that all of them together err at most as often as one (Holm, 1979), in their order."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def verdict(gain: float, p: float, rows: int) -> Verdict:
    """In words.

    Args:
        gain: the difference in the metric's own direction: above 0 is better.
        p: corrected.
        rows: that were compared.
    """
    if rows < LEAST_ROWS:
        return "no verdict"
    if p >= ALPHA or gain == 0:
        return "not distinguishable"
    return "better" if gain > 0 else "worse"
