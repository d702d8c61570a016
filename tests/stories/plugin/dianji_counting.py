"""A plug-in: predict a number from a text. Outcome, metric and task of its own, on Dianji's public contracts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModelForSequenceClassification

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks.base import Batch, Loss, Outputs, Prediction, Purpose, Task, TaskModel


@dataclass(frozen=True, eq=False)
class Counted(Outcome):
    """One number per row."""

    target: np.ndarray  # (rows,) float64
    found: np.ndarray  # (rows,) float64


@component("metric", "count-error")
@dataclass(frozen=True)
class CountError:
    """Mean absolute difference."""

    outcomes: ClassVar[tuple[type[Outcome], ...]] = (Counted,)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def __call__(self, outcome: Counted, weights: np.ndarray) -> np.ndarray:
        found: np.ndarray = weights @ np.abs(outcome.target - outcome.found) / weights.sum(axis=1)
        return found


@dataclass(frozen=True)
class CountPrediction:
    """A number."""

    count: float

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        return {"count": self.count}


@component("task", "text-count")
@dataclass(frozen=True)
class TextCount(Task):
    """Least squares on one output; ``mean`` is learnt, so that the head starts near the truth."""

    length: Annotated[int, Field(gt=2)] = 16
    mean: float = 0.0

    modality: ClassVar[str] = "text"
    not_inputs: ClassVar[frozenset[str]] = frozenset({"target"})

    @property
    def columns(self) -> Mapping[str, Column]:
        return {"text": Column("text"), "label": Column("label", target=True)}

    def fit(self, table: pa.Table) -> Self:
        return type(self)(self.length, float(_numbers(table).mean()))

    def model(self, base: Base) -> TaskModel:
        return TaskModel(base.load(AutoModelForSequenceClassification, num_labels=1), ("classifier",))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        tokens = base.processor(table["text"].to_pylist(), truncation=True, max_length=self.length)["input_ids"]
        columns = {
            "row": pa.array(range(table.num_rows), pa.int64()),
            "length": pa.array([len(ids) for ids in tokens], pa.int32()),
            "input_ids": pa.array(tokens, pa.list_(pa.int64())),
        }
        target = {"target": pa.array(_numbers(table))} if "label" in table.column_names else {}
        return pa.table({**columns, **target})

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        padded = base.processor.pad({"input_ids": examples["input_ids"].to_pylist()}, return_tensors="pt")
        batch = dict(padded)
        if "target" in examples.column_names:
            batch["target"] = torch.tensor(examples["target"].to_pylist(), dtype=torch.float32)
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        difference = self._found(model, batch) - batch["target"]
        return Loss(difference.square().mean(), len(difference))

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        return {"count": self._found(model, batch).float().cpu().numpy()}

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[Prediction]:
        return [CountPrediction(count) for count in outputs["count"].tolist()]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        return Counted(examples["target"].to_numpy(), outputs["count"].astype(np.float64))

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("count-error",)

    def _found(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        found: torch.Tensor = model(**self.model_inputs(batch)).logits.squeeze(-1) + self.mean
        return found


def _numbers(table: pa.Table) -> np.ndarray:
    return np.array([float(label) for label in table["label"].to_pylist()])
