"""Chooses how a job learns: frozen states computed once, a linear head fitted to its optimum, or the loop."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from torch import nn

from dianji.engine.clock import Clock
from dianji.engine.frozen.graph_split import GraphSplit
from dianji.engine.frozen.shapes import NotSplittable
from dianji.engine.frozen.state_store import StateStore, graph_split_of, in_memory, stored_states
from dianji.engine.frozen.states import Fresh, Reader, StoredStates
from dianji.engine.job import Job, Trained
from dianji.engine.loop import Training
from dianji.engine.memory import keep_pages
from dianji.engine.runtime import Runtime
from dianji.engine.solver import find_head, fit
from dianji.errors import CapabilityError
from dianji.kernels.layers.fast import FastLayers, find_fast_layers
from dianji.spec.sections import Train
from dianji.tasks.base import Task


@dataclass(frozen=True)
class LearningPlan:
    """The method that a recipe asks for."""

    #: Whether a linear head is to be fitted to its optimum.
    to_the_optimum: bool = False
    #: Digests that determine the encoded examples, by split.
    examples: Mapping[str, str] = dataclasses.field(default_factory=dict)


def learn(
    job: Job, plan: LearningPlan, runtime: Runtime, folder: Path, store: StateStore, clock: Clock | None = None
) -> Trained:
    """Train the job's model, by the shortest way to the same result.

    Args:
        job: the training to run.
        plan: the method to use.
        runtime: where to compute.
        folder: of the step.
        store: where states are stored, and who receives messages.
        clock: notes where the time goes.

    Raises:
        CapabilityError: ``solver: lbfgs`` was asked for and the head cannot be fitted so.
        TrainingError: see ``Training.run``.
        Interrupted: a signal came; the checkpoint is written.
    """
    began = time.monotonic()
    runtime.place(job.model.model)
    reader = reader_of(job, runtime)
    keep_pages()
    try:
        cut = frozen_part(job, reader)
        if plan.to_the_optimum:
            trained = _to_the_optimum(job, plan, cut, reader, folder, store)
            if trained is not None:
                return dataclasses.replace(trained, seconds=time.monotonic() - began)
        job_with_states = _with_frozen_states(job, plan, cut, reader, store)
    except NotSplittable as reason:
        if plan.to_the_optimum and runtime.processes.count > 1:
            raise CapabilityError(
                f"stage {job.name}: a linear head is fitted to its optimum by one process, which takes seconds. Start "
                "it without torchrun or accelerate launch, or train step by step with solver: loop."
            ) from reason
        if plan.to_the_optimum and job.train.solver == "lbfgs":
            raise CapabilityError(_no_lbfgs(job, reason)) from reason
        if str(reason):
            store.reporter.say(f"{job.name}: the whole model runs in every step: {reason}")
        job_with_states = job
    before = time.monotonic() - began
    trained = Training(job_with_states, runtime, folder, store.reporter, clock).run()
    return dataclasses.replace(trained, seconds=trained.seconds + before)


def require_settled(model: nn.Module, task: Task, train: Train) -> None:
    """Refuse a model that has no frozen part which could be computed once.

    Raises:
        NotSplittable: the message gives the reason; it is empty where all of the model learns.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        raise NotSplittable("")  # which goes without saying
    if task.random_batches:
        raise NotSplittable("its inputs are drawn anew in every epoch")
    if task.passes > 1:
        raise NotSplittable("its loss takes several forward passes")
    if train.compile == "on":
        raise NotSplittable("it is compiled as a whole")


def on_the_disk(train: Train, *, to_the_optimum: bool) -> bool:
    """Whether frozen states are stored: a single pass is not worth a file. ``to_the_optimum`` is by ``fit``."""
    return train.cache == "auto" and (to_the_optimum or not _once(train))


def _once(train: Train) -> bool:
    return train.epochs is not None and train.epochs <= 1


def reader_of(job: Job, runtime: Runtime) -> Reader:
    """Reads the training examples with what is frozen of the job's model, which is on its device."""
    return Reader(job.task, job.base, job.model.model, runtime, job.examples, _fast_layers(job, runtime))


def frozen_part(job: Job, reader: Reader) -> GraphSplit:
    """The end of the frozen part of the job's model.

    Raises:
        NotSplittable: it has no frozen part that could be computed once; the message is empty where all of it learns.
    """
    require_settled(reader.model, job.task, job.train)
    if reader.runtime.processes.count > 1:
        raise NotSplittable("each of several processes sees rows of its own")
    return graph_split_of(reader)


def _to_the_optimum(
    job: Job, plan: LearningPlan, cut: GraphSplit, reader: Reader, folder: Path, store: StateStore
) -> Trained | None:
    held_out = None
    states = _all(job, "train", plan, cut, reader, store)
    if job.validation is not None:
        held_out = _all(job, "validation", plan, cut, _of(reader, job.validation), store)
    try:
        head = find_head(job, reader, states, held_out)
    except NotSplittable as reason:
        if job.train.solver == "lbfgs":
            raise CapabilityError(_no_lbfgs(job, reason)) from reason
        store.reporter.say(f"{job.name}: the head is trained step by step: {reason}")
        return None
    return fit(job, head, folder, held_out, store.reporter)


def _with_frozen_states(job: Job, plan: LearningPlan, cut: GraphSplit, reader: Reader, store: StateStore) -> Job:
    """The job with frozen states; where nothing is stored they are computed batch by batch, to the same bits."""

    def states(split: str, table: pa.Table) -> StoredStates | Fresh:
        here = _of(reader, table)
        if not on_the_disk(job.train, to_the_optimum=False) or split not in plan.examples:
            return Fresh(cut, here, as_stored=not _once(job.train))  # else no run stores them
        return stored_states(cut, here, plan.examples[split], _titled(store, split))

    # A compiled model could not leave parts of itself out in each step.
    eager = job.train.model_copy(update={"compile": "off"})
    known = dataclasses.replace(job, states=states("train", job.examples), train=eager)
    if job.validation is None:
        return known
    return dataclasses.replace(known, validation_states=states("validation", job.validation))


def _fast_layers(job: Job, runtime: Runtime) -> FastLayers:
    """In fp32 none: there what is said of an example must not depend on its company, to the last bit."""
    everything = all(parameter.requires_grad for parameter in job.model.model.parameters())
    if job.train.fast_layers == "off" or everything or runtime.precision == "fp32" or runtime.processes.count > 1:
        return FastLayers()
    found = find_fast_layers(job.model.model, runtime.device)
    found.renew()  # once: what is frozen stays as it is, and what is not is never read
    return found


def _all(job: Job, split: str, plan: LearningPlan, cut: GraphSplit, reader: Reader, store: StateStore) -> StoredStates:
    """Every state of a split, in main memory where the disk is not used."""
    if on_the_disk(job.train, to_the_optimum=True) and split in plan.examples:
        found = stored_states(cut, reader, plan.examples[split], _titled(store, split))
        if isinstance(found, StoredStates):
            return found
    return in_memory(cut, reader, store.reporter, f"{job.name}: {split}, before '{cut.path}'")


def _of(reader: Reader, table: pa.Table) -> Reader:
    return dataclasses.replace(reader, examples=table)


def _titled(store: StateStore, split: str) -> StateStore:
    return dataclasses.replace(store, stage=f"{store.stage}, {split}")


def _no_lbfgs(job: Job, reason: NotSplittable) -> str:
    return (
        f"stage {job.name}: solver lbfgs fits one linear layer on frozen features, but the head of "
        f"{type(job.model.model).__name__} is no such layer: {reason or 'all of its weights learn'}. "
        "Use solver: loop, or for a text another pooling."
    )
