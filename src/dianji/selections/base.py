"""The contract of a selection: training rows that a finished stage makes of other rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.tasks.base import Outputs, Prediction, Task


@dataclass(frozen=True)
class Earlier:
    """The finished stage. Its answer to a row does not depend on the other rows."""

    name: str
    task: Task  # fitted
    #: Rows with the task's input columns -> one prediction each.
    predict: Callable[[pa.Table], Sequence[Prediction]]
    #: Rows with all of the task's columns -> arrays with one entry per row, by which the task is evaluated.
    scored: Callable[[pa.Table], Outputs]


@dataclass(frozen=True)
class Selected:
    """Rows to train on. ``of`` (rows,) int64: the row that each was made of."""

    rows: pa.Table
    of: np.ndarray


class Selection(Protocol):
    """A frozen dataclass; constructor arguments are what a recipe may say.

    Both methods are pure: the rows follow from the stage, its rows and the arguments.
    """

    def reads(self, task: Task) -> Mapping[str, Column]:
        """The columns that are read of the rows to select from.

        Args:
            task: of the earlier stage, as the recipe has it.

        Raises:
            CapabilityError: nothing can be selected by a model of that task.
        """
        ...

    def select(self, earlier: Earlier, table: pa.Table) -> Selected:
        """The rows that are made.

        Args:
            earlier: the stage.
            table: rows with the columns that ``reads`` names.
        """
        ...
