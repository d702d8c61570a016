"""The contract of a technique: a part that changes a training step or listens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor
from torch.nn import Module, Parameter

from dianji.tasks.base import Batch, Loss, Task


@dataclass
class Progress:
    """Where training is, shared by the engine, its techniques and its reporters."""

    model: Module
    seed: int
    total_steps: int
    step: int = 0  # optimiser steps done
    epoch: float = 0.0
    stop_reason: str | None = None
    #: Names and parameters that learn.
    trainable: dict[str, Parameter] = field(default_factory=dict)
    #: Prefixes of the head's parameter names.
    head: tuple[str, ...] = ()
    #: Runs the model over all training rows as they are evaluated; each batch is shown right after its forward pass.
    over_rows: Callable[[Callable[[Batch], None]], None] = lambda see: None

    def stop(self, reason: str) -> None:
        """Ask the engine to end after this step or evaluation; the reason goes to the log and the artefact."""
        self.stop_reason = self.stop_reason or reason


@dataclass(frozen=True)
class Step:
    """One micro-batch on its way through the model. Calling ``forward`` again draws new dropout."""

    task: Task
    batch: Batch
    forward: Callable[[], Loss]
    backward: Callable[[Loss], None]


@dataclass(frozen=True)
class Scores:
    """One evaluation during training. ``higher_is_better`` is about ``primary``."""

    primary: float
    higher_is_better: bool
    values: Mapping[str, float]


@dataclass
class State:
    """What a technique puts into a checkpoint: tensors and plain JSON values."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Listener:
    """What a technique does in one run. Override what is needed; everything here does nothing.

    When memory runs out, a step's micro-batches are taken again in smaller ones: ``loss`` and ``after_backward`` may be
    cut short by an error, and must then leave the weights as they found them.
    """

    def begin(self, progress: Progress) -> None:
        """Before the first step, and not again where a run is resumed: the place to change the first weights."""

    def loss(self, step: Step, loss: Loss) -> Loss:
        """Change or extend the loss of a micro-batch before its backward pass."""
        return loss

    def after_backward(self, step: Step) -> None:
        """Gradients of this micro-batch are there; more may be added, as adversarial training does."""

    def after_step(self, progress: Progress) -> None:
        """The optimiser has stepped. Here, and in ``evaluating``, weights may be written to, even past autograd."""

    def evaluating(self, progress: Progress) -> AbstractContextManager[None]:
        """Wraps every evaluation and what listens to it, for weights that differ from the trained ones."""
        return nullcontext()

    def after_evaluation(self, progress: Progress, scores: Scores) -> None:
        """Inside ``evaluating``, with the scores on the validation split."""

    def finish(self, progress: Progress) -> None:
        """Training is over; leave in the model the weights that are to be kept."""

    def state(self) -> State:
        """Everything that a resumed run needs to go on as if nothing had happened.

        Tensors may be the live ones: write or copy them before the next step.
        """
        return State()

    def restore(self, state: State) -> None:
        """Inverse of ``state``."""


class Technique(Protocol):
    """A frozen dataclass; constructor arguments are what a recipe may say."""

    #: Listeners finish in this order; whoever picks the final weights comes late.
    order: ClassVar[int]

    def start(self, progress: Progress) -> Listener:
        """A fresh listener for one run."""
        ...
