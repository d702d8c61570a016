"""Whether time grows with the rows and memory does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: The cost of a row may rise by so much from one size to ten times as many.
STEEPER = 1.5
#: Of the time that the fewest rows took, what more of them must add before their cost can be told from that of a start.
TOLD = 0.2
#: Peak memory at the most rows, by that at the second size: the fewest rows need not fill a batch or a chunk.
HIGHER = 1.25


@dataclass(frozen=True)
class Point:
    """What so many rows took."""

    rows: int
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Verdict:
    """``factor`` at most ``most``."""

    what: str
    factor: float
    most: float

    @property
    def ok(self) -> bool:
        """Whether it is."""
        return self.factor <= self.most


def per_row(points: Sequence[Point]) -> list[float]:
    """Seconds of each further row, between neighbouring sizes: what a process needs to start drops out."""
    return [(after.seconds - before.seconds) / (after.rows - before.rows) for before, after in pairwise(points)]


def verdicts(points: Sequence[Point]) -> list[Verdict]:
    """Linear in time, flat in memory; with three sizes or more."""
    costs = per_row(points)
    if len(costs) < 2:
        return []
    least = TOLD * points[0].seconds / (points[-2].rows - points[-3].rows)
    return [
        Verdict("seconds of a further row, by those before", costs[-1] / max(costs[-2], least), STEEPER),
        Verdict("peak memory, by that of the second size", points[-1].peak_mb / points[1].peak_mb, HIGHER),
    ]


def points_of(found: Sequence[Mapping[str, float]]) -> list[Point]:
    """Fewest rows first."""
    return sorted(
        (Point(int(one["rows"]), float(one["seconds"]), float(one["peak_mb"])) for one in found),
        key=lambda point: point.rows,
    )
