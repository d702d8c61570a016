"""The contract of a procedure: how often the loop of a stage runs, and on which rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import pyarrow as pa

from dianji.tasks.base import Prediction


@dataclass(frozen=True)
class Round:
    """One run of the loop."""

    number: int  # 0, 1, …
    #: Weights begin anew from the stage's base; otherwise they go on from the round before.
    fresh: bool = True


@dataclass(frozen=True)
class Material:
    """What the rows of a round are made from."""

    train: pa.Table  # the training split, with the task's columns
    seed: int
    #: The predictions of the model of the round before; None in the first round.
    predict: Callable[[pa.Table], Sequence[Prediction]] | None = None


class Procedure(Protocol):
    """A frozen dataclass; constructor arguments are what a recipe may say.

    Both methods are pure: a run that was killed asks again, and must be told the same.
    """

    #: Whether there is one round, on all training rows. Then the weights of the round are not kept beside the model.
    single: ClassVar[bool]

    def next(self, done: Sequence[Mapping[str, float]]) -> Round | None:
        """The round after those that are done; None to end.

        Args:
            done: for each finished round its metrics on the validation split; empty mappings where there is none.
        """
        ...

    def rows(self, round: Round, material: Material) -> pa.Table:
        """The training rows of a round, with the columns of ``material.train``.

        Raises:
            DataError: no row is left to learn from.
        """
        ...
