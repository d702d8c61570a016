"""The state of one training run that the parts of the loop share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import nn

from dianji.engine.batches import BatchOrder, size_of
from dianji.engine.clock import Clock
from dianji.engine.evaluation import Evaluator
from dianji.engine.fast_layers import fast_layers_of
from dianji.engine.job import Job
from dianji.engine.recomputing import recompute_activations
from dianji.engine.runtime import Runtime
from dianji.engine.state import Position
from dianji.kernels.layers.fast import FastLayers
from dianji.reporting import Reporter
from dianji.store.events import Events
from dianji.tasks.base import Batch
from dianji.techniques.base import Listener, Progress


@dataclass
class RunContext:
    """A job on its device, the place that the run has reached, and the receivers of its reports."""

    job: Job
    runtime: Runtime
    reporter: Reporter
    clock: Clock
    events: Events
    model: nn.Module
    fast_layers: FastLayers
    order: BatchOrder
    progress: Progress
    position: Position = field(default_factory=Position)
    listeners: list[Listener] = field(default_factory=list)
    #: Whether a listener may write to weights after a step.
    may_write: bool = False

    @classmethod
    def open(cls, job: Job, runtime: Runtime, folder: Path, reporter: Reporter, clock: Clock) -> RunContext:
        """Place the model on the device and put its faster layers in place. The optimizer is made afterwards.

        Args:
            job: the training to run.
            runtime: where to compute.
            folder: of the step.
            reporter: receives messages and progress.
            clock: notes where the time goes.
        """
        train, model = job.train, job.model.model
        runtime.place(model)
        if train.gradient_checkpointing:
            recompute_activations(model)
        fast_layers = fast_layers_of(job, runtime)
        size = size_of(train, runtime.device.type, coupled=job.task.couples_examples)
        draw = partial(job.task.draw, job.examples)
        lengths, units = job.examples["length"].to_numpy(), job.task.units(job.examples)
        order = BatchOrder(lengths, size, train.accumulate, job.seed, draw, units)
        total = train.steps or (0 if train.minutes else order.total(train.epochs or 1.0))
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        progress = Progress(model, job.seed, total, trainable=trainable, head=job.model.head)
        events = Events(folder / "events.jsonl", writes=runtime.processes.main)
        context = cls(job, runtime, reporter, clock, events, model, fast_layers, order, progress)
        progress.over_rows = context.over_rows
        return context

    def start_techniques(self) -> None:
        """Make the job's listeners, in the order of their techniques."""
        techniques = sorted(self.job.techniques, key=lambda part: part.order)
        self.listeners += [technique.start(self.progress) for technique in techniques]
        self.may_write = any(type(one).after_step is not Listener.after_step for one in self.listeners)

    def over_rows(self, see: Callable[[Batch], None]) -> None:
        """Run the model over the training rows as in an evaluation; ``see`` receives each batch after its pass."""
        job = self.job
        with self.runtime.products(), self.fast_layers.evaluating():
            for _, batch, _ in Evaluator(job.task, self.model, job.base, job.seed).batches(job.examples, "score"):
                see(batch)
