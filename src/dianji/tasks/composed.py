"""Tasks composed of a reader and an answer: each is an object, and the task joins the two."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.evaluate.baseline import Inputs
from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY
from dianji.tasks.base import Batch, Loss, Outputs, Prediction, Purpose, Task, TaskModel

#: The entry of a batch that holds the targets.
TARGET = "labels"


class Reader(Protocol):
    """The input side: columns, examples, batches, and the base's classifier for such inputs."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """Input columns."""
        ...

    @property
    def random(self) -> bool:
        """Whether ``collate`` draws in training."""
        ...

    @property
    def baselines(self) -> tuple[str, ...]:
        """Baselines for such inputs, whatever the answer."""
        ...

    def check(self, table: pa.Table, findings: Findings) -> None:
        """See ``Task.check``."""
        ...

    def corpus(self, table: pa.Table) -> pa.Table:
        """See ``Task.corpus``."""
        ...

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """Fields of the task that the input columns of the training split decide."""
        ...

    def model(self, base: Base, names: dict[str, Any]) -> TaskModel:
        """The base under a head with an output per name; ``names`` are configuration entries that describe them."""
        ...

    def encode(self, table: pa.Table, base: Base, targets: Mapping[str, pa.Array]) -> pa.Table:
        """``row``, ``length``, the reader's own columns, then ``targets``."""
        ...

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Model inputs."""
        ...

    def baseline_inputs(self, table: pa.Table) -> Inputs:
        """See ``Comparable``."""
        ...


class Answer(Protocol):
    """The output side: names of the outputs, targets, loss on logits, predictions, outcome, metrics."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """Target columns."""
        ...

    @property
    def linear(self) -> bool:
        """Whether the loss is cross-entropy over one class per row."""
        ...

    @property
    def baselines(self) -> tuple[str, ...]:
        """Baselines for such answers that read no input."""
        ...

    @property
    def measured(self) -> type[Outcome]:
        """The kind of outcome; baselines of the reader that serve it are computed."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """The primary one first."""
        ...

    def check(self, table: pa.Table, findings: Findings) -> None:
        """See ``Task.check``."""
        ...

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """Fields of the task that the target columns of the training split decide."""
        ...

    def configuration(self) -> dict[str, Any]:
        """Configuration entries by which transformers knows the outputs."""
        ...

    def encode(self, table: pa.Table) -> Mapping[str, pa.Array]:
        """``target``; nothing where ``table`` has none."""
        ...

    def targets(self, examples: pa.Table) -> Tensor:
        """What the loss takes."""
        ...

    def loss(self, logits: Tensor, target: Tensor) -> Loss:
        """Of fp32 logits (examples, outputs)."""
        ...

    def predictions(self, outputs: Outputs) -> Sequence[Prediction]:
        """Of ``logits``."""
        ...

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """Of ``logits`` beside ``target``."""
        ...

    def constant_loss(self, table: pa.Table) -> float:
        """See ``Task``."""
        ...

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """See ``Comparable``."""
        ...

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Outcome:
        """See ``Comparable``."""
        ...


class Composed(Task):
    """A task whose model gives logits (examples, outputs). A subclass names its ``reader`` and its ``answer``."""

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """The input side."""

    @property
    @abstractmethod
    def answer(self) -> Answer:
        """The output side."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """The reader's, then the answer's."""
        return {**self.reader.columns, **self.answer.columns}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The answer's."""
        return self.answer.metrics

    @property
    def baselines(self) -> tuple[str, ...]:
        """Those of the answer alone, and those of the reader that suit the answer."""
        fitting = (of for of in self.reader.baselines if self.answer.measured in REGISTRY.get("baseline", of).serves)
        return (*self.answer.baselines, *fitting)

    @property
    def random_batches(self) -> bool:
        """Whether the reader draws."""
        return self.reader.random

    @property
    def linear_head(self) -> bool:
        """Whether there is one label per row, and the loss is the answer's own."""
        return self.answer.linear and type(self).loss is Composed.loss

    def fit(self, table: pa.Table) -> Self:
        """Learn what the reader and the answer need; what was given is kept, and the table must fit it."""
        return replace(self, **self.reader.learn(table), **self.answer.learn(table))  # type: ignore[type-var]  # every component is a dataclass

    def check(self, table: pa.Table, findings: Findings) -> None:
        """What the reader and the answer find."""
        self.reader.check(table, findings)
        self.answer.check(table, findings)

    def corpus(self, table: pa.Table) -> pa.Table:
        """The reader's."""
        return self.reader.corpus(table)

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``."""
        return self.reader.model(base, self.answer.configuration())

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """The reader's columns and ``target``."""
        return self.reader.encode(table, base, self.answer.encode(table))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """The reader's inputs and ``labels``."""
        batch = self.reader.collate(examples, base, rng, purpose=purpose)
        if "target" in examples.column_names:
            batch[TARGET] = self.answer.targets(examples)
        return batch

    def logits(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        """(examples, outputs), in fp32 whatever the precision of the products before."""
        found: Tensor = model(**self.model_inputs(batch)).logits
        return found.float()

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """The answer's, of the logits."""
        return self.answer.loss(self.logits(model, batch), batch[TARGET])

    def constant_loss(self, table: pa.Table) -> float:
        """The answer's."""
        return self.answer.constant_loss(table)

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``logits`` (examples, outputs)."""
        return {"logits": self.logits(model, batch).cpu().numpy()}

    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[Prediction]:
        """The answer's."""
        return self.answer.predictions(outputs)

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """The answer's."""
        return self.answer.outcome(outputs, examples)

    def baseline_inputs(self, table: pa.Table) -> Inputs:
        """See ``Comparable``."""
        return self.reader.baseline_inputs(table)

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """See ``Comparable``."""
        return self.answer.baseline_targets(table)

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Outcome:
        """See ``Comparable``."""
        return self.answer.baseline_outcome(table, given)


class Classification(Composed):
    """A composed task whose answer is ``labels``."""

    labels: tuple[str, ...]
