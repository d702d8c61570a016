"""The contract of a task: one batch, the head that the base gets, the loss, the predictions, the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedModel

from dianji.bases.base import Base, Card
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.evaluate.outcome import Outcome

if TYPE_CHECKING:
    from dianji.tasks.embedder import TextEmbedder

#: train: a loss is wanted. score: quick figures, after each epoch. predict: all that a user is given.
Purpose = Literal["train", "score", "predict"]

#: Tensors, lists and mappings of tensors, by name: the model's inputs and what the loss needs besides.
Batch = dict[str, Any]

#: Numbers that a model gives for some rows: name -> array with one entry per row, of one shape or ragged. Whole numbers
#: that follow from a comparison (argmax, which boxes are kept) come with the margin of that comparison: a float array
#: of the name and ``MARGIN``, so that a probe does not take a near-tie that rounding decides for tampering.
Outputs = dict[str, Any]

#: Ends the name of an output that is the margin of another one.
MARGIN = "_margin"


#: Entry of a batch where the head sees some positions alone, such as the first token of each word: (batch, time) bool.
#: ``labels`` is then of the same shape, and counts at these positions.
ITEMS = "items"


class Loss(NamedTuple):
    """A scalar with a gradient: the mean over the batch's valid items; and the number of these items."""

    value: Tensor
    items: int


@dataclass(frozen=True)
class TaskModel:
    """A base with a task's head. ``head`` holds the prefixes of the head's parameter names.

    ``library`` is what opens the folder that ``model.save_pretrained`` leaves, with the head: ``transformers``, or
    ``sentence-transformers`` for a module chain.
    """

    model: PreTrainedModel
    head: tuple[str, ...]
    library: Literal["transformers", "sentence-transformers"] = "transformers"

    def is_head(self, parameter: str) -> bool:
        """Whether the named parameter belongs to the head."""
        return any(parameter == prefix or parameter.startswith(prefix + ".") for prefix in self.head)


class Share(NamedTuple):
    """Examples that one task answers by one model."""

    task: Task
    model: torch.nn.Module
    examples: pa.Table


class Prediction(Protocol):
    """The answer for one row as a person reads it: typed, JSON-able, words instead of class numbers."""

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """The prediction as plain values; ``everything`` adds the long parts, such as all probabilities."""
        ...


class Task(ABC):
    """A frozen dataclass; constructor arguments are what a recipe may say about the task.

    ``fit`` returns a copy with everything that was learnt from the training split (label names and the like) in its
    fields, so that the registry's record of a fitted task is all that an artefact needs to open it again.

    A row may become several examples (windows), and an example may hold several rows (packing, candidates): then its
    ``row`` is a list. The abstract members are owed; the others have defaults that hold for most tasks.
    """

    #: The modality that a base must offer: ``text``, ``image``, or any other that a base names.
    modality: ClassVar[str]
    #: ``pipeline_tag`` of a model card on the Hugging Face Hub; empty where the Hub has no name for the task.
    hub_name: ClassVar[str] = ""
    #: What the model's own outputs are, for those who open it with another library; empty where its card goes without.
    raw_outputs: ClassVar[str] = ""
    #: Roles of special tokens that keep their meaning where a text spells them out, such as ``mask_token``.
    special_tokens: ClassVar[tuple[str, ...]] = ()
    #: Entries of a batch that the model's forward does not take.
    not_inputs: ClassVar[frozenset[str]] = frozenset({"labels"})
    #: Purpose of the outputs on which final metrics are computed; with ``predict`` epochs have metrics of their own.
    measured_for: ClassVar[Purpose] = "score"
    #: Rows whose outputs are held in memory at once while a split is evaluated.
    rows_at_once: ClassVar[int] = 4096

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, Column]:
        """The columns that a table must have, by the task's own names; may depend on the task's arguments."""

    @abstractmethod
    def fit(self, table: pa.Table) -> Self:
        """Learn label names and the like from the training split.

        Raises:
            DataError: the table cannot be learnt from (one class only, empty).
        """

    def check(self, table: pa.Table, findings: Findings) -> None:  # noqa: B027  # most tasks find none
        """Report faults of a split's rows that columns by themselves do not show, such as spans that cut words.

        The plan calls it, so that they are found before a model is loaded.
        """

    @abstractmethod
    def model(self, base: Base) -> TaskModel:
        """The base with this task's head. A head that the base already has for the same labels is kept, else it is new.

        New weights are drawn from torch's global generator, which the caller has seeded.

        Raises:
            CapabilityError: the base's architecture cannot carry this task.
        """

    @abstractmethod
    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """Rows to examples. Pure, so that the result can be cached; one row may become several examples.

        The result has ``row`` (int64, position in ``table``; a list of int64 where an example holds several rows; in
        ascending order), ``length`` (int32, tokens; 1 where that means nothing) and the task's own columns. Targets are
        encoded only where ``table`` has them.

        Raises:
            DataError: a row cannot be encoded, for instance because its label was not seen in training.
        """

    @abstractmethod
    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """Examples to one padded batch on the CPU. Masks, negatives and noise are drawn here, from ``rng``.

        Augmentation belongs to ``train`` only; inputs of costly outputs, such as prompts, to ``predict`` only.
        """

    @abstractmethod
    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Mean over the batch's valid items, and their number."""

    @abstractmethod
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """The model's answer to each example, in fp32 and without gradient: basis of predictions, metrics and probe.

        May generate, or rank against a collection, where the batch was collated to ``predict``. The caller has put the
        model into evaluation mode.
        """

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Examples back to rows, for instance windows of a passage. By default rows are examples."""
        return outputs

    def decode(self, outputs: Outputs, base: Base) -> Outputs:
        """Assembled outputs as ``outcome`` compares them with targets: tokens also as text. By default unchanged."""
        return outputs

    @abstractmethod
    def predictions(self, outputs: Outputs, rows: pa.Table, base: Base) -> Sequence[Prediction]:
        """One prediction per row, in words.

        Args:
            outputs: assembled, of batches that were collated to ``predict``.
            rows: the input columns, as they were given to ``encode``.
            base: its processor turns tokens back into text.
        """

    @abstractmethod
    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """Assembled and decoded outputs beside the targets: the basis of metrics."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of registered metrics; the first one is the primary one."""

    @property
    def epoch_metrics(self) -> tuple[str, ...]:
        """Metrics of outcomes for ``score``; by default the same. The first one decides early stopping."""
        return self.metrics

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of registered baselines that are computed beside the model; none for self-supervised objectives."""
        return ()

    def comparable(self, base: Base) -> Any:
        """What baselines are given: the task itself, or more where a baseline needs the base too."""
        return self

    @property
    def random_batches(self) -> bool:
        """Whether the same examples give another batch in every epoch: augmentation, masks, noise.

        Where ``collate`` draws nothing, the output of a frozen trunk for an example is computed once.
        """
        return True

    @property
    def couples_examples(self) -> bool:
        """Whether the loss of an example depends on the others of its batch (in-batch negatives, contrastive losses).

        Such a batch is never divided: not to save memory, not among devices.
        """
        return False

    @property
    def passes(self) -> int:
        """Forward passes of the model in the loss of one batch. Frozen parts are computed once only where it is one."""
        return 1

    def draw(self, examples: pa.Table, rng: np.random.Generator) -> np.ndarray | None:
        """(drawn,) positions of the examples of one epoch, in any order; None: each example once.

        The number must not depend on ``rng``.
        """
        return None

    def units(self, examples: pa.Table) -> np.ndarray | None:
        """(examples,) the same number for examples that always share a batch; None: each is on its own."""
        return None

    @contextmanager
    def running(self, model: torch.nn.Module, batch: Batch) -> Iterator[Sequence[tuple[torch.nn.Module, Batch]]]:
        """The models that the loss of a batch runs within the block, each with its batch."""
        yield [(model, batch)]

    def constant_loss(self, table: pa.Table) -> float:
        """The loss of the best answer that does not look at the row, on training rows; 1 where it is not known.

        The task is fitted. Losses of several tasks are divided by it, so that they weigh the same.
        """
        return 1.0

    def beginning(self, table: pa.Table, rows: int) -> pa.Table:
        """The first rows of a table; of several parts so many of each."""
        return table.slice(0, rows)

    def divided(self, examples: pa.Table) -> Mapping[str, pa.Table]:
        """The examples (or rows) of each part by its name; a task of one part has one, named ``""``."""
        return {"": examples}

    def shares(self, model: torch.nn.Module, examples: pa.Table) -> Mapping[str, Share]:
        """The examples by the tasks and models that answer them; a task of one part answers all of them itself."""
        return {"": Share(self, model, examples)}

    def calibrated(self, outcome: Outcome) -> Self:
        """The task with whatever is chosen on held-out rows after training, such as a threshold.

        Args:
            outcome: of the validation split, by the finished model.
        """
        return self

    def models(self, model: TaskModel) -> Mapping[str, tuple[Task, TaskModel]]:
        """The parts' tasks and models by name; a task of one part has one, named ``""``."""
        return {"": (self, model)}

    def release(self, model: TaskModel) -> None:  # noqa: B027  # only parts that share weights have something to do
        """Training is over: parts that shared weights get their own."""

    def corpus(self, table: pa.Table) -> pa.Table:
        """The training rows as a new base's tokenizer or image statistics are fitted to them: ``text`` or ``image``."""
        return table

    def unite(self, outcomes: Mapping[str, Outcome], examples: pa.Table) -> Outcome:
        """The outcomes of all ``shares`` as one."""
        return next(iter(outcomes.values()))

    def embedder(self, base: Base) -> TextEmbedder | None:
        """How a search reads queries and passages as vectors; None where outputs are no vectors of texts."""
        return None

    def pair_scores(self, outputs: Outputs) -> np.ndarray | None:
        """(rows,) how well the second text of each row answers the first, higher is better; None: no such answer.

        A task of two input columns of texts overrides it, so that its models can re-rank what a search finds.
        """
        return None

    @property
    def linear_head(self) -> bool:
        """Whether the loss is cross-entropy over one class per row, so that a linear head has an optimum."""
        return False

    @property
    def supervised(self) -> bool:
        """Whether the task learns from targets."""
        return any(column.target for column in self.columns.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the columns that predicting does not need."""
        return tuple(name for name, column in self.columns.items() if column.target)

    @property
    def inputs(self) -> Mapping[str, Column]:
        """The columns that predicting needs."""
        return {name: column for name, column in self.columns.items() if not column.target}

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """Values of the recipe's ``train`` section that suit this task better than the general defaults.

        Args:
            rows: of the training split.
            card: of the base.
        """
        return {}

    def model_inputs(self, batch: Batch) -> Batch:
        """The entries of a batch that the model's forward takes."""
        return {name: value for name, value in batch.items() if name not in self.not_inputs}
