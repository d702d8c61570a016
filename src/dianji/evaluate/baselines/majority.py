"""The majority class, whatever the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Comparable, Fitted
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.outcome import Outcome
from dianji.registry import component


@component("baseline", "majority")
@dataclass(frozen=True)
class Majority:
    """Each label has the probability of its share in training."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Classified, Tagged)

    def fit(self, task: Comparable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``."""
        targets = task.baseline_targets(table)
        one = targets.ndim == 1
        shares = np.bincount(targets, minlength=len(task.labels)) / len(targets) if one else targets.mean(axis=0)
        return lambda rows: task.baseline_outcome(rows, np.tile(shares, (rows.num_rows, 1)))
