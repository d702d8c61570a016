"""The outcome of scored pairs: the similarity that a model gives to two texts, beside the score that people gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dianji.evaluate.outcome import Breakdown, Outcome

_ROUNDING = 1e-5
_GROUPS = 5


@dataclass(frozen=True, eq=False)
class Similarity(Outcome):
    """Pairs with a cosine and a score. Only the order and the spread of scores count, not their scale."""

    cosine: np.ndarray  # (rows,) float32
    score: np.ndarray  # (rows,) float64

    def numbers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cosine and score, which correlations compare."""
        return [(self.cosine.astype(np.float64), self.score)]

    def check(self) -> list[str]:
        """Also: cosines are cosines, scores are finite."""
        faults = super().check()
        if not (np.abs(self.cosine) <= 1 + _ROUNDING).all():
            faults.append("a cosine is below -1 or above 1")
        if not np.isfinite(self.score).all():
            faults.append("a score is not a finite number")
        return faults

    def breakdown(self) -> Breakdown:
        """Mean and spread of the cosine in five ranges of the score."""
        low, high = float(self.score.min()), float(self.score.max())
        edges = np.linspace(low, high, _GROUPS + 1)
        group = np.clip(np.searchsorted(edges, self.score, side="right") - 1, 0, _GROUPS - 1)
        rows = []
        for number in range(_GROUPS):
            inside = self.cosine[group == number].astype(np.float64)
            if len(inside):
                name = f"{edges[number]:g} – {edges[number + 1]:g}"
                rows.append((name, len(inside), {"mean-cosine": inside.mean(), "deviation": inside.std()}))
        return Breakdown("score", tuple(rows))
