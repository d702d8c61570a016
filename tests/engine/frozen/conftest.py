"""Jobs over toy models: small BERT, GPT-2, ViT and ResNet, with any adaptation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from dianji.adapt.base import Adaptation
from dianji.adapt.frozen import Frozen
from dianji.bases.base import Base
from dianji.engine.frozen.state_store import StateStore
from dianji.engine.frozen.states import Reader
from dianji.engine.job import Job
from dianji.engine.runtime import make_runtime
from dianji.reporting import Silent
from dianji.spec.sections import Train
from dianji.tasks.base import Task
from dianji.tasks.image_classification import ImageClassification
from dianji.tasks.text_classification import TextClassification
from dianji.testing import toys


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
class Made:
    """A toy stage, and a folder for what it keeps."""

    folder: Path
    task: Task = field(default_factory=lambda: TextClassification(pooling="mean"))
    base: Callable[[], Base] = toys.text_base
    table: Callable[[], pa.Table] = toys.text_table
    adaptation: Adaptation = field(default_factory=Frozen)
    train: dict[str, Any] = field(default_factory=dict)
    precision: str = "fp32"

    def job(self) -> Job:
        table, base = self.table(), self.base()
        task = self.task.fit(table)
        torch.manual_seed(0)
        model = task.model(base)
        self.adaptation.attach(model)
        train = {"batch_size": 5, "epochs": 3, "learning_rate": 0.01, **self.train}
        examples = task.encode(table, base)
        return Job(
            name="toy",
            task=task,
            base=base,
            model=model,
            adaptation=self.adaptation,
            techniques=(),
            train=Train.model_validate(train),
            examples=examples,
            validation=examples.slice(3, 9),
            seed=7,
        )

    def reader(self) -> Reader:
        job = self.job()
        runtime = make_runtime(self.precision)
        runtime.place(job.model.model)
        return Reader(job.task, job.base, job.model.model, runtime, job.examples)

    def store(self, log: Silent | None = None) -> StateStore:
        return StateStore(lambda digest: self.folder / "cache" / digest, "toy", log or Silent())


def images(folder: Path, **changes: Any) -> Made:
    task = ImageClassification(flip=False, crop=0)
    return Made(folder, **{"task": task, "base": toys.image_base, "table": toys.image_table, **changes})


@pytest.fixture
def log() -> Log:
    return Log()
