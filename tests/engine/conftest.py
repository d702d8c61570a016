"""A toy task and model, written against the contracts alone: rows of small whole numbers, two or three classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from torch.nn import functional

from dianji.adapt.base import Adaptation
from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.engine.job import Job, Trained
from dianji.engine.loop import Training
from dianji.engine.processes import ALONE, Processes
from dianji.engine.runtime import make_runtime
from dianji.evaluate.labelled import Classified
from dianji.reporting import Silent
from dianji.spec.sections import Train
from dianji.tasks.base import Loss, Outputs, Prediction, Purpose, Task, TaskModel

LABELS = ("a", "b", "c")
IGNORED = -1  # a label of rows that do not count, so that micro-batches differ in their number of items


class ToyModel(nn.Module):
    """Mean of embeddings over the valid positions, a layer, a norm, a head."""

    def __init__(self, dropout: float, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(20, 8)
        self.layer = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, len(LABELS))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        wide = self.embedding(ids) * mask.unsqueeze(-1)
        mean = wide.sum(1) / mask.sum(1, keepdim=True)
        logits: torch.Tensor = self.head(self.dropout(self.norm(functional.gelu(self.layer(mean)))))
        return logits


@dataclass(frozen=True)
class ToyTask(Task):
    """Classes of rows of numbers. ``poison`` makes the loss NaN for a batch that holds this row."""

    poison: int | None = None

    modality: ClassVar[str] = "text"
    columns: ClassVar[Mapping[str, Column]] = {"text": Column("text"), "label": Column("label", target=True)}
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)

    def fit(self, table: pa.Table) -> Self:
        return self

    def model(self, base: Base) -> TaskModel:
        raise NotImplementedError  # a toy job brings its own

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        raise NotImplementedError  # so it does with its examples

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> list[Prediction]:
        return []

    def collate(self, examples: pa.Table, base: Any, rng: np.random.Generator, *, purpose: Purpose) -> dict[str, Any]:
        rows = [torch.tensor(row) for row in examples["ids"].to_pylist()]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
        row = torch.tensor(examples["row"].to_numpy())
        return {"ids": ids, "mask": mask, "label": torch.tensor(examples["label"].to_numpy()), "row": row}

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> Loss:
        logits = model(batch["ids"], batch["mask"])
        items = int((batch["label"] != IGNORED).sum())
        value = functional.cross_entropy(logits.float(), batch["label"], ignore_index=IGNORED, reduction="sum")
        value = value / max(1, items)
        if self.poison is not None and (batch["row"] == self.poison).any():
            value = value * float("nan")
        return Loss(value, items)

    def outputs(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        logits = model(batch["ids"], batch["mask"]).float()
        return {"probabilities": logits.softmax(-1).numpy(), "row": batch["row"].numpy()}

    def outcome(self, outputs: dict[str, np.ndarray], examples: pa.Table) -> Classified:
        return Classified(LABELS, examples["label"].to_numpy(), outputs["probabilities"])


@dataclass(frozen=True)
class CoupledTask(ToyTask):
    """The loss of each row depends on the others of its batch."""

    @property
    def couples_examples(self) -> bool:
        return True

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> Loss:
        unit = functional.normalize(model(batch["ids"], batch["mask"]).float(), dim=1)
        return Loss(functional.cross_entropy(unit @ unit.T, torch.arange(len(unit))), len(unit))


def make_examples(rows: int, seed: int, *, ignored: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, 20, size=rng.integers(1, 9)).tolist() for _ in range(rows)]
    labels = np.array([int(np.mean(row) // 7) for row in ids], dtype=np.int64)
    labels[rng.random(rows) < ignored] = IGNORED
    lengths = np.array([len(row) for row in ids], dtype=np.int32)
    return pa.table({"row": np.arange(rows, dtype=np.int64), "length": lengths, "ids": ids, "label": labels})


class Log(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.warned.append(message)


@dataclass
class Toy:
    """One stage's training, which can be started again and again on the same folder."""

    folder: Path
    train: dict[str, Any] = field(default_factory=dict)
    techniques: tuple[Any, ...] = ()
    dropout: float = 0.2
    rows: int = 24
    ignored: float = 0.0
    validation: bool = True
    task: ToyTask = field(default_factory=ToyTask)
    precision: str = "fp32"

    def but(self, folder: str, **changes: Any) -> Toy:
        """The same, elsewhere, with changes."""
        return replace(self, folder=self.folder.parent / folder, **changes)

    def training(self, reporter: Silent | None = None, processes: Processes = ALONE) -> Training:
        model = ToyModel(self.dropout)
        train = {"batch_size": 4, "epochs": 2, "learning_rate": 0.01, "checkpoint_every": 1000, **self.train}
        job = Job(
            name="toy",
            task=cast(Any, self.task),
            base=cast(Base, None),
            model=TaskModel(cast(Any, model), ("head",)),
            adaptation=cast(Adaptation, None),
            techniques=self.techniques,
            train=Train.model_validate(train),
            examples=make_examples(self.rows, 1, ignored=self.ignored),
            validation=make_examples(10, 2) if self.validation else None,
            seed=7,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        runtime = make_runtime(self.precision, processes=processes)
        return Training(job, runtime, self.folder, reporter or Silent())

    def run(self, reporter: Silent | None = None) -> tuple[Trained, dict[str, torch.Tensor]]:
        """Train, and what the weights are afterwards."""
        training = self.training(reporter)
        return training.run(), training.context.model.state_dict()


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path / "step")


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def examples():
    return make_examples


@pytest.fixture
def toy_model():
    return ToyModel


@pytest.fixture
def toy_task():
    return ToyTask()
