"""The contract of a baseline: the model that a fine-tuned one has to beat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from dianji.evaluate.outcome import Outcome

#: Rows with their targets -> what the baseline says of them, beside the truth.
Fitted = Callable[[pa.Table], Outcome]

#: Texts, pairs of texts, or (rows, features) uint8 of 0..255 or float in [0, 1].
Inputs = list[str] | list[tuple[str, str]] | np.ndarray


class Baseline(Protocol):
    """A frozen dataclass, registered as ``baseline``; a task names those it is compared with."""

    #: The kinds of outcome that ``fit``'s result can give.
    serves: ClassVar[tuple[type[Outcome], ...]]

    def fit(self, task: Any, table: pa.Table, seed: int) -> Fitted | None:
        """Learn from the training rows; None where the baseline does not apply to this task and base.

        Args:
            task: what ``Task.comparable`` gives of the fitted task; has what the baseline asks for, for instance the
                members of ``Comparable``.
            table: the training split.
            seed: for whatever is drawn.
        """
        ...


class Comparable(Protocol):
    """What the baselines for classes ask of a task."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by class number."""
        ...

    def baseline_inputs(self, table: pa.Table) -> Inputs:
        """Texts, pairs of texts, or (rows, pixels)."""
        ...

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows,) int64 class numbers; (rows, labels) bool where a row may have several.

        Raises:
            DataError: a label was not seen in training.
        """
        ...

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Outcome:
        """The outcome of (rows, labels) probabilities, by the same thresholds as the model's own."""
        ...
