"""Answers that are numbers: one or several columns, learnt scaled and given in their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.errors import DataError
from dianji.evaluate.regressed import Regressed
from dianji.tasks._rows import refuse_empty, refuse_null, where
from dianji.tasks.base import Loss, Outputs

METRICS = ("pearson", "spearman", "mae", "rmse", "r2")


@dataclass(frozen=True)
class NumbersPrediction:
    """The number of each column, in its units."""

    numbers: Mapping[str, float]

    def to_json(self, *, everything: bool = False) -> dict[str, float]:
        """``{column: number}``."""
        return dict(self.numbers)


@dataclass(frozen=True)
class Numbers:
    """A number per row in each column of ``names``.

    The model gives ``(number - mean) / deviation``. Both are learnt from the training rows; before, they are empty.

    Args:
        names: of the columns.
        scale: the lowest and the highest number there can be; others are refused, and predictions are moved inside.
        means: (names,).
        deviations: (names,).
    """

    names: tuple[str, ...]
    scale: tuple[float, float] | None = None
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    @property
    def columns(self) -> Mapping[str, Column]:
        """One for each name."""
        return {name: Column("number", target=True) for name in self.names}

    @property
    def linear(self) -> bool:
        """No: there are no classes."""
        return False

    @property
    def baselines(self) -> tuple[str, ...]:
        """The mean of the training rows."""
        return ("mean-number",)

    @property
    def measured(self) -> type[Regressed]:
        """``Regressed``."""
        return Regressed

    @property
    def metrics(self) -> tuple[str, ...]:
        """Correlations, then errors in units, then the share of the variance that is explained."""
        return METRICS

    def check(self, table: pa.Table, findings: Findings) -> None:
        """A fault for each number outside the scale."""
        for name in self.names:
            if name in table.column_names:
                for row in self._outside(table, name):
                    findings.fault(self._told(table, name, row))

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """``means`` and ``deviations``; those that were given are kept.

        Raises:
            DataError: no rows, or all numbers of a column are equal.
        """
        refuse_empty(table)
        numbers = self.baseline_targets(table)
        deviations = numbers.std(axis=0)
        for name, deviation, first in zip(self.names, deviations.tolist(), numbers[0].tolist(), strict=True):
            if not deviation > 0:
                raise DataError(
                    f"column '{name}' is {first:g} in all {len(numbers)} rows of the training split; expected numbers "
                    "that differ. Check the column."
                )
        if self.means:
            return {}
        return {"means": tuple(numbers.mean(axis=0).tolist()), "deviations": tuple(deviations.tolist())}

    def configuration(self) -> dict[str, Any]:
        """The columns' names as those of the outputs."""
        return {
            "id2label": dict(enumerate(self.names)),
            "label2id": {name: number for number, name in enumerate(self.names)},
            "problem_type": "regression",
        }

    def encode(self, table: pa.Table) -> Mapping[str, pa.Array]:
        """``target``: lists of numbers in their units; nothing where ``table`` lacks them."""
        if not set(self.names) <= set(table.column_names):
            return {}
        numbers = self.baseline_targets(table)
        return {"target": pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), len(self.names))}

    def targets(self, examples: pa.Table) -> Tensor:
        """(examples, names) float32, scaled."""
        return torch.from_numpy(((self._in_units(examples) - self.means) / self.deviations).astype(np.float32))

    def loss(self, logits: Tensor, target: Tensor) -> Loss:
        """Mean squared error of scaled numbers, over rows and columns."""
        return Loss(functional.mse_loss(logits, target), len(target))

    def predictions(self, outputs: Outputs) -> Sequence[NumbersPrediction]:
        """The numbers by their columns, inside the scale."""
        return [NumbersPrediction(dict(zip(self.names, row, strict=True))) for row in self._given(outputs).tolist()]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Regressed:
        """The same numbers beside the true ones."""
        return Regressed(self.names, self._in_units(examples), self._given(outputs), self.deviations)

    def constant_loss(self, table: pa.Table) -> float:
        """The variance of the scaled numbers: 1, unless the scale was given."""
        scaled = self.baseline_targets(table) / np.array(self.deviations)
        return float(scaled.var(axis=0).mean())

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows, names) float64.

        Raises:
            DataError: a number is missing, not finite, or outside the scale; names its row.
        """
        found = []
        for name in self.names:
            refuse_null(table, name, "a number")
            values = table[name].to_numpy().astype(np.float64)
            if not np.isfinite(values).all():
                row = int(np.flatnonzero(~np.isfinite(values))[0])
                raise DataError(
                    f"{where(table, row)}: column '{name}' is {values[row]}; expected a finite number. Write it, or "
                    "leave the row out."
                )
            for row in self._outside(table, name):
                raise DataError(self._told(table, name, row))
            found.append(values)
        return np.stack(found, axis=1)

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Regressed:
        """Of (rows, names) numbers in their units."""
        return Regressed(self.names, self.baseline_targets(table), self._inside(given), self.deviations)

    def _in_units(self, examples: pa.Table) -> np.ndarray:
        flat = examples["target"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat.reshape(-1, len(self.names)))

    def _given(self, outputs: Outputs) -> np.ndarray:
        """(rows, names) float64 in units, of scaled logits."""
        return self._inside(outputs["logits"].astype(np.float64) * self.deviations + self.means)

    def _inside(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(numbers if self.scale is None else np.clip(numbers, *self.scale), dtype=np.float64)

    def _outside(self, table: pa.Table, name: str) -> list[int]:
        if self.scale is None:
            return []
        values = table[name].to_numpy().astype(np.float64)
        found: list[int] = np.flatnonzero((values < self.scale[0]) | (values > self.scale[1])).tolist()
        return found

    def _told(self, table: pa.Table, name: str, row: int) -> str:
        low, high = self.scale or (0.0, 0.0)
        return (
            f"{where(table, row)}: column '{name}' is {table[name][row].as_py():g}; expected a number from {low:g} to "
            f"{high:g}, the task's scale. Fix the row, or the scale."
        )
