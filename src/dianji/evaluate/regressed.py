"""The outcome of regression: the numbers that a model gives, beside the true ones, both in their units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dianji.evaluate.outcome import Answer, Breakdown, Outcome

_GROUPS = 5


@dataclass(frozen=True, eq=False)
class Regressed(Outcome):
    """Rows with a number for each name; metrics are means over the names."""

    names: tuple[str, ...]
    target: np.ndarray  # (rows, names) float64
    given: np.ndarray  # (rows, names) float64
    #: Of the training rows: the size of a difference that counts.
    deviations: tuple[float, ...]

    def check(self) -> list[str]:
        """Also: one number per name, all of them finite."""
        faults = super().check()
        for field, values in (("target", self.target), ("given", self.given)):
            if values.shape[1:] != (len(self.names),):
                faults.append(f"{field}: expected {len(self.names)} numbers per row, found {list(values.shape[1:])}")
            if not np.isfinite(values).all():
                faults.append(f"{field}: a number is not finite")
        return faults

    def numbers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(rows,) answers and truth of each name, which correlations compare."""
        return list(zip(self.given.T, self.target.T, strict=True))

    def errors(self) -> np.ndarray:
        """(rows,) float64: the largest difference to the truth, in standard deviations."""
        return np.asarray((np.abs(self.given - self.target) / self.deviations).max(axis=1))

    def describe(self, row: int) -> Answer:
        """Both numbers; with names where there are several."""
        return Answer(self._told(self.target[row]), self._told(self.given[row]))

    def distance(self, other: Self) -> np.ndarray:
        """In standard deviations, relative where values exceed one deviation: numbers may be of any size."""
        worst = np.zeros(self.rows)
        for ours, theirs in ((self.target, other.target), (self.given, other.given)):
            if ours.shape != theirs.shape:
                return np.full(self.rows, np.inf)
            apart = np.abs(ours - theirs) / np.maximum(self.deviations, np.abs(theirs))
            worst = np.maximum(worst, np.where(np.isnan(apart), np.inf, apart).max(axis=1, initial=0.0))
        return worst

    def breakdown(self) -> Breakdown:
        """Of one number: rows by ranges of the truth. Of several: each number by itself."""
        if len(self.names) > 1:
            columns = zip(self.names, self.target.T, self.given.T, strict=True)
            return Breakdown("number", tuple((name, self.rows, _figures(true, given)) for name, true, given in columns))
        true, given = self.target[:, 0], self.given[:, 0]
        edges = np.linspace(float(true.min()), float(true.max()), _GROUPS + 1)
        group = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, _GROUPS - 1)
        groups = []
        for number in range(_GROUPS):
            inside = group == number
            if inside.any():
                name = f"{edges[number]:g} – {edges[number + 1]:g}"
                groups.append((name, int(inside.sum()), _figures(true[inside], given[inside])))
        return Breakdown("truth", tuple(groups))

    def _told(self, numbers: np.ndarray) -> str:
        if len(self.names) == 1:
            return f"{numbers[0]:g}"
        return ", ".join(f"{name} {number:g}" for name, number in zip(self.names, numbers.tolist(), strict=True))


def _figures(true: np.ndarray, given: np.ndarray) -> dict[str, float]:
    """Mean truth, mean answer, and the two errors."""
    apart = given - true
    return {
        "mean-truth": float(true.mean()),
        "mean-answer": float(given.mean()),
        "mae": float(np.abs(apart).mean()),
        "rmse": float(np.sqrt(np.square(apart).mean())),
    }
