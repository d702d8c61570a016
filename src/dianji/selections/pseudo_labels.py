"""Pseudo-labels: rows without labels, with those that the earlier stage is sure of (Lee, 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from dianji.data.columns import Column
from dianji.errors import CapabilityError
from dianji.registry import component, key_of
from dianji.selections.base import Earlier, Selected
from dianji.tasks.answers import LabelPrediction
from dianji.tasks.base import Task


@component("selection", "pseudo-labels")
@dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """Rows whose likeliest label is likely enough, labelled with it.

    Args:
        probability: the least one, above 0 and at most 1. Probabilities of small models are often too high; the
            earlier stage's report tells its calibration error.
        per_label: at most so many rows of each label, the most probable ones; null: all. Keeps frequent labels from
            taking over.
    """

    probability: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    per_label: Annotated[int, Field(ge=1)] | None = None

    def reads(self, task: Task) -> Mapping[str, Column]:
        """The inputs of the earlier stage."""
        targets = [column for column in task.columns.values() if column.target]
        if len(targets) != 1 or targets[0].of.categories != "one":
            raise CapabilityError(
                f"pseudo-labels needs an earlier stage that predicts one label per row, found '{key_of(task).name}'."
            )
        return task.inputs

    def select(self, earlier: Earlier, table: pa.Table) -> Selected:
        """The rows with their labels, in their order."""
        (target,) = earlier.task.targets
        said = [one for one in earlier.predict(table) if isinstance(one, LabelPrediction)]
        if len(said) != table.num_rows:
            raise CapabilityError(f"pseudo-labels cannot read the predictions of '{key_of(earlier.task).name}'.")
        sure = np.array([one.probability for one in said])
        labels = [one.label for one in said]
        chosen = np.flatnonzero(sure >= self.probability)
        if self.per_label is not None:
            chosen = _most_probable(chosen, sure, labels, self.per_label)
        rows = table.take(pa.array(chosen, pa.int64()))
        return Selected(rows.append_column(target, pa.array([labels[row] for row in chosen], pa.string())), chosen)


def _most_probable(rows: np.ndarray, sure: np.ndarray, labels: list[str], most: int) -> np.ndarray:
    """At most so many rows of each label; of equally probable ones the earlier."""
    taken: dict[str, int] = {}
    kept = []
    for row in rows[np.argsort(-sure[rows], kind="stable")].tolist():
        taken[labels[row]] = taken.get(labels[row], 0) + 1
        if taken[labels[row]] <= most:
            kept.append(row)
    return np.array(sorted(kept), dtype=np.int64)
