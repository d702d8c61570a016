"""The contract of an outcome: outputs beside targets, the basis of metrics, records, reports and paired tests.

An outcome is a reduction. It is built from some rows at a time and joined, so that no split's outputs must fit into
memory. What a verb or a report wants to know of an outcome is a method here that answers None where the kind of outcome
cannot tell; nobody asks for the class of an outcome.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from dianji.evaluate.ragged import Entries, Ragged, concatenate, take

if TYPE_CHECKING:
    from dianji.evaluate.counts import Counts


class Answer(NamedTuple):
    """One row in words."""

    true: str
    given: str


class Suspect(NamedTuple):
    """A row whose label is probably wrong."""

    row: int
    label: str
    probability: float  # of the label
    suggested: str
    suggested_probability: float


class Decisions(NamedTuple):
    """How sure a model was of each decision, and whether it was right; every row has the same number of decisions."""

    confidence: np.ndarray  # (rows, decisions) float64 in [0, 1]
    right: np.ndarray  # (rows, decisions) bool


class Breakdown(NamedTuple):
    """Rows in groups by one property of theirs (a score, a rank), with figures of each group."""

    by: str
    groups: tuple[tuple[str, int, Mapping[str, float]], ...]  # name, rows, figures


@dataclass(frozen=True, eq=False)
class Outcome:
    """Array fields (plain or ragged) have one entry per row; all other fields are plain values of the whole.

    A subclass is a frozen dataclass. Its array fields are what is recorded and what ``dianji verify`` compares.
    """

    #: (rows,) int64: the resampling unit of each row, such as the customer that several rows belong to; None: the row.
    units: np.ndarray | None = field(default=None, kw_only=True)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.arrays().values())))

    def arrays(self) -> dict[str, Entries]:
        """The array fields by name."""
        return {name: value for name, value in self._fields() if isinstance(value, np.ndarray | Ragged)}

    def plain(self) -> dict[str, Any]:
        """All other fields by name."""
        return {name: value for name, value in self._fields() if not isinstance(value, np.ndarray | Ragged)}

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, one after the other.

        Raises:
            ValueError: there is no part.
        """
        first = parts[0]
        arrays: dict[str, Any] = {name: concatenate([part.arrays()[name] for part in parts]) for name in first.arrays()}
        return dataclasses.replace(first, **arrays)

    def complete(self) -> Outcome:
        """The outcome that is measured, once all rows of a split are joined; by default this one.

        An outcome whose rows depend on each other, such as a ranking of all candidates, holds what it needs until then.
        """
        return self

    def take(self, rows: np.ndarray) -> Self:
        """Some of the rows: positions, or a mask."""
        arrays: dict[str, Any] = {name: take(value, rows) for name, value in self.arrays().items()}
        return dataclasses.replace(self, **arrays)

    def check(self) -> list[str]:
        """Every way in which the values contradict themselves, in words; empty for a sound outcome."""
        lengths = {name: len(value) for name, value in self.arrays().items()}
        if len(set(lengths.values())) > 1:
            return [f"rows: expected the same number in every array, found {lengths}"]
        return []

    def right(self) -> np.ndarray | None:
        """(rows,) bool: whether each row is answered as it should be; None where that is no yes-or-no question."""
        return None

    def quality(self) -> np.ndarray | None:
        """(rows,) float64 in [0, 1]: how good each answer is, where answers are better or worse than others; else None.

        Where answers are right or wrong, ``right`` says it.
        """
        return None

    def errors(self) -> np.ndarray | None:
        """(rows,) float64: how far each answer is from the truth, where both are numbers; else None."""
        return None

    def truth(self) -> np.ndarray | None:
        """(rows,) int64: the one class of each row; None where rows have no single class."""
        return None

    def decisions(self) -> Decisions | None:
        """Confidence beside correctness; None where the model states no confidence."""
        return None

    def suspects(self) -> list[Suspect] | None:
        """Rows whose label is probably wrong, the likeliest first; None where that cannot be told."""
        return None

    def support(self) -> Mapping[str, int] | None:
        """The number of rows (or spans) of each label in the truth; None for outcomes without labels."""
        return None

    def counts(self, weights: np.ndarray) -> Counts | None:
        """``weights`` (resamples, rows) -> counts per label; None for outcomes without labels."""
        return None

    def confusion(self) -> list[Any] | None:
        """Rows by true and given label, as plain values; None where answers are no single labels."""
        return None

    def breakdown(self) -> Breakdown | None:
        """Rows in groups, with figures of each; None where there are no telling groups."""
        return None

    def describe(self, row: int) -> Answer | None:
        """Truth and answer of one row in words; None where there is nothing short to say."""
        return None

    def distance(self, other: Self) -> np.ndarray:
        """(rows,) float64: the largest difference between the values of a row, relative where they exceed one.

        NaN counts as infinitely far, and so do ragged entries of different lengths.
        """
        worst = np.zeros(self.rows)
        theirs = other.arrays()
        for name, value in self.arrays().items():
            if name != "units":
                worst = np.maximum(worst, row_distance(value, theirs[name]))
        return worst

    def _fields(self) -> list[tuple[str, Any]]:
        return [(of.name, getattr(self, of.name)) for of in dataclasses.fields(self)]


def row_distance(first: Entries, second: Entries) -> np.ndarray:
    """(rows,) float64: see ``Outcome.distance``."""
    if isinstance(first, Ragged) or isinstance(second, Ragged):
        return _ragged_distance(first, second)
    if first.shape != second.shape:
        return np.full(len(first), np.inf)
    flat = _differences(first, second).reshape(len(first), -1)
    return np.asarray(flat.max(axis=1, initial=0.0))


def descendants(kinds: Sequence[type[Outcome]]) -> set[type[Outcome]]:
    """The classes and all of their subclasses that have been imported."""
    found: set[type[Outcome]] = set()
    for kind in kinds:
        found |= {kind, *descendants(kind.__subclasses__())}
    return found


def _ragged_distance(first: Entries, second: Entries) -> np.ndarray:
    if not isinstance(first, Ragged) or not isinstance(second, Ragged) or len(first) != len(second):
        return np.full(len(first), np.inf)
    same = first.lengths == second.lengths
    worst = np.where(same, 0.0, np.inf)
    if first.values.shape[1:] != second.values.shape[1:]:
        return np.full(len(first), np.inf)
    ours, theirs = first.take(same), second.take(same)
    width = int(np.prod(ours.values.shape[1:]))  # not -1, which numpy cannot tell where there are no values
    flat = _differences(ours.values, theirs.values).reshape(len(ours.values), width).max(axis=1, initial=0.0)
    inside = np.zeros(len(ours))
    np.maximum.at(inside, ours.entries, flat)
    worst[same] = inside
    return worst


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.dtype.kind in "US" or second.dtype.kind in "US":
        return np.where(first == second, 0.0, np.inf)
    ours, theirs = first.astype(np.float64), second.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))
    both_missing = np.isnan(ours) & np.isnan(theirs)
    equal_infinities = ours == theirs
    difference = np.where(both_missing | equal_infinities, 0.0, difference)
    return np.where(np.isnan(difference), np.inf, difference)
