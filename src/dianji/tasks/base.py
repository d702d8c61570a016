"""The contract of a task: what one batch is, which head the base gets, the loss, the predictions, the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.evaluate.outcome import Outcome

#: What a model eats: names of its forward arguments, and whatever the task's loss needs besides.
Batch = dict[str, Tensor]

#: What a model says of some rows, as numbers: name -> array with one entry per row.
Outputs = dict[str, np.ndarray]


class Loss(NamedTuple):
    """A scalar with a gradient: the mean over the batch's valid items; and how many items there were."""

    value: Tensor
    items: int


@dataclass(frozen=True)
class TaskModel:
    """A base with a task's head. ``head`` holds the prefixes of the head's parameter names."""

    model: PreTrainedModel
    head: tuple[str, ...]

    def is_head(self, parameter: str) -> bool:
        """Whether the named parameter belongs to the head."""
        return any(parameter == prefix or parameter.startswith(prefix + ".") for prefix in self.head)


class Prediction(Protocol):
    """What a person reads about one row: typed, JSON-able, human words instead of class numbers."""

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """The prediction as plain values; ``everything`` adds what is long, such as all probabilities."""
        ...


class Task(Protocol):
    """A frozen dataclass; constructor arguments are what a recipe may say about the task.

    ``fit`` returns a copy with what was learnt from the training split (label names and the like) in its fields, so
    that the registry's record of a fitted task is all that an artefact needs to open it again.

    A task whose ``collate`` draws nothing from ``rng`` may say so by an attribute or property ``random_batches``, which
    is then false: what a frozen trunk says of an example is then computed once. Whoever does not say so is taken to
    draw.
    """

    modality: ClassVar[Literal["text", "image"]]
    #: What the Hugging Face Hub calls it (``pipeline_tag`` of a model card); empty where the Hub has no name for it.
    hub_name: ClassVar[str]

    @property
    def columns(self) -> Mapping[str, Column]:
        """What a table must have, under the task's own names; may depend on the task's arguments."""
        ...

    def fit(self, table: pa.Table) -> Self:
        """Learn label names and the like from the training split.

        Raises:
            DataError: the table cannot be learnt from (one class only, empty).
        """
        ...

    def model(self, base: Base) -> TaskModel:
        """The base with this task's head. A head that the base already has for the same labels is kept, else it is new.

        New weights are drawn from torch's global generator, which the caller has seeded.
        """
        ...

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """Rows to examples. Pure, so that the result can be cached; one row may become several examples.

        The result has ``row`` (int64, position in ``table``), ``length`` (int32, tokens; 1 where that means nothing)
        and the task's own columns. Targets are encoded only where ``table`` has them.

        Raises:
            DataError: a row cannot be encoded, for instance because its label was not seen in training.
        """
        ...

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, training: bool) -> Batch:
        """Examples to one padded batch on the CPU. Sampling of masks, negatives and noise happens here, from ``rng``.

        Augmentation belongs to ``training`` only.
        """
        ...

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Mean over the batch's valid items, and how many there were."""
        ...

    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """What the model says of each example, as arrays in fp32; no gradient. Basis of predictions, metrics and probe.

        Each array has one entry per example and the same further dimensions in every batch. The caller has put the
        model into evaluation mode.
        """
        ...

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Examples back to rows, for instance windows of a passage. Where rows are examples: as they are."""
        ...

    def predictions(self, outputs: Outputs, base: Base) -> Sequence[Prediction]:
        """One prediction per row, in human words; the base's processor turns tokens back into text."""
        ...

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """Outputs beside the targets: what metrics are computed on."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of registered metrics; the first one is the primary one."""
        ...

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of baselines that are computed beside the model; none for self-supervised objectives."""
        ...


def random_batches(task: Task) -> bool:
    """Whether the same examples give another batch in every epoch: augmentation, masks, noise."""
    return bool(getattr(task, "random_batches", True))


class Comparable(Task, Protocol):
    """A task with classes, which a baseline can learn without the base. Every task that names baselines is one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, by class number."""
        ...

    def baseline_inputs(self, table: pa.Table) -> list[str] | np.ndarray:
        """Texts, or (rows, pixels) float32 in [0, 1]."""
        ...

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows,) int64 class numbers; (rows, labels) bool where a row may have several.

        Raises:
            DataError: a label was not seen in training.
        """
        ...
