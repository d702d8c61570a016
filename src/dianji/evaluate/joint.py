"""The outcome of several tasks that one model answers: an outcome for each part, over that part's rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dianji.evaluate.metric import Metric
from dianji.evaluate.outcome import Outcome

#: Stands between a part and one of its metrics: ``intents/accuracy``.
SEPARATOR = "/"


@dataclass(frozen=True, eq=False)
class JointOutcome(Outcome):
    """Rows of several parts. A part without rows has no outcome."""

    names: tuple[str, ...]
    part: np.ndarray  # (rows,) int64: the number of each row's part
    outcomes: Mapping[str, Outcome]  # name -> outcome of the part's rows, in their order

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The rows of all, part by part."""
        joined: dict[str, Outcome] = {}
        for name in parts[0].names:
            found = [part.outcomes[name] for part in parts if name in part.outcomes]
            if found:
                joined[name] = type(found[0]).join(found)
        return dataclasses.replace(parts[0], part=np.concatenate([part.part for part in parts]), outcomes=joined)

    def take(self, rows: np.ndarray) -> Self:
        """Some of the rows."""
        chosen = np.arange(self.rows)[rows]
        outcomes: dict[str, Outcome] = {}
        for number, name in enumerate(self.names):
            place = np.cumsum(self.part == number) - 1  # of each row among those of its part
            mine = chosen[self.part[chosen] == number]
            if len(mine):
                outcomes[name] = self.outcomes[name].take(place[mine])
        return dataclasses.replace(self, part=self.part[chosen], outcomes=outcomes)

    def check(self) -> list[str]:
        """The faults of every part."""
        return [f"{name}: {fault}" for name, outcome in self.outcomes.items() for fault in outcome.check()]


@dataclass(frozen=True)
class OfPart:
    """A metric of one part's rows; the others weigh nothing."""

    name: str
    metric: Metric

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (JointOutcome,)

    def __call__(self, outcome: JointOutcome, weights: np.ndarray) -> np.ndarray:
        """See ``Metric``; NaN where the part has no rows."""
        if self.name not in outcome.outcomes:
            return np.full(len(weights), np.nan)
        mine = outcome.part == outcome.names.index(self.name)
        return self.metric(outcome.outcomes[self.name], weights[:, mine])
