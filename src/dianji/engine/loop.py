"""The training loop. One for every task, adaptation and technique: they are parts, and the loop only calls them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from dianji.adapt.base import Adaptation
from dianji.adapt.layers import hold_still
from dianji.bases.base import Base
from dianji.engine import checkpoint
from dianji.engine.batches import BatchOrder, size_of
from dianji.engine.clock import Clock
from dianji.engine.compiling import Compilation
from dianji.engine.device import moved
from dianji.engine.evaluation import Evaluator, metric, values
from dianji.engine.frozen.states import WHOLE, States
from dianji.engine.groups import parameter_groups
from dianji.engine.lean.path import lean_path
from dianji.engine.memory import steady_memory
from dianji.engine.microbatches import MicroBatches
from dianji.engine.optimizers import clip
from dianji.engine.recomputing import recompute_activations
from dianji.engine.runtime import Runtime
from dianji.engine.seeding import derive, generator, seed_everything
from dianji.engine.signals import Signals
from dianji.engine.state import Position, RunState
from dianji.errors import TrainingError
from dianji.registry import REGISTRY
from dianji.reporting import Meter, Reporter
from dianji.spec.sections import Train
from dianji.store.events import Events
from dianji.tasks.base import Batch, Loss, Task, TaskModel
from dianji.techniques.base import Listener, Progress, Scores, Step, Technique

CHECKPOINT_SECONDS = 120.0
MINUTES_RESOLUTION = 100_000  # a wall-clock budget drives the schedule as so many small steps


@dataclass(frozen=True)
class Job:
    """What one stage trains, ready to go: the model is headed and adapted, the examples are encoded."""

    name: str
    task: Task
    base: Base
    model: TaskModel
    adaptation: Adaptation
    techniques: tuple[Technique, ...]
    train: Train
    examples: pa.Table
    validation: pa.Table | None
    seed: int
    states: States = WHOLE  # of the training examples
    validation_states: States = WHOLE


@dataclass(frozen=True)
class Trained:
    """What training took. Resumed runs add up."""

    seconds: float
    samples: int
    steps: int
    stop_reason: str
    compile_seconds: float = 0.0  # not part of ``seconds``
    #: How a head was fitted in one go; nothing where the loop has trained it.
    fit: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, without what there is nothing to say of."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; everything is saved."""


class Training:
    """One run of the loop, from the last checkpoint or from the start, to the end."""

    def __init__(
        self, job: Job, runtime: Runtime, folder: Path, reporter: Reporter, clock: Clock | None = None
    ) -> None:
        self.job = job
        self.clock = clock or Clock()
        self.runtime = runtime
        self.checkpoints = folder / "checkpoint"
        self.processes = runtime.processes
        self.events = Events(folder / "events.jsonl", writes=self.processes.main)
        self.reporter = reporter

        train = job.train
        self.model: nn.Module = job.model.model
        runtime.place(self.model)
        if train.gradient_checkpointing:
            recompute_activations(self.model)
        self.lean = lean_path(job, runtime)
        size = size_of(train, runtime.device.type, coupled=job.task.couples_examples)
        self.course = BatchOrder(job.examples["length"].to_numpy(), size, train.accumulate, job.seed)
        self.total_steps = train.steps or (0 if train.minutes else self.course.total(train.epochs or 1.0))
        self.schedule = REGISTRY.build("schedule", train.schedule.name, train.schedule.arguments)
        rate = train.learning_rate or 0.0
        groups = parameter_groups(job.model, rate, train.head_learning_rate or rate, train.weight_decay)
        built = REGISTRY.build("optimizer", train.optimizer.name, train.optimizer.arguments).build(groups)
        self.optimizer = runtime.accelerator.prepare_optimizer(built)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.progress = Progress(
            self.model, job.seed, self.total_steps, trainable=trainable, head=job.model.head, over_rows=self.over_rows
        )
        self.listeners: list[Listener] = [
            technique.start(self.progress) for technique in sorted(job.techniques, key=lambda part: part.order)
        ]
        self.may_write = any(type(one).after_step is not Listener.after_step for one in self.listeners)  # to weights
        self.position = Position()
        self.state = RunState(self.model, self.optimizer, self.listeners, self.progress, self.position, runtime)
        self.micro_batches = MicroBatches(
            job.name,
            self.model,
            self.position,
            reporter,
            self.processes.count,
            coupled=job.task.couples_examples,
        )
        self.compilation = Compilation(train.compile, self.progress, self.position, reporter, self.clock)
        self.saved = (-1, -1)  # (step, step of the last evaluation) of the newest checkpoint
        self.signals = Signals(self.processes.echo)

    def run(self) -> Trained:
        """Train to the end.

        Raises:
            TrainingError: the loss is not a number.
            Interrupted: a signal came; the checkpoint is written.
        """
        self.reporter.say(f"{self.job.name}: lean path: {self.lean.told}")
        self.resume()
        self.lean.renew()  # weights may have been written to since its layers were tried
        with ExitStack() as stack:
            stack.enter_context(self.signals.watched())
            stack.enter_context(steady_memory())
            stack.enter_context(self.compilation.watched())
            meter = stack.enter_context(
                self.reporter.work(self.job.name, self.total_steps or None, "steps", self.progress.step)
            )
            self.saved_at = time.monotonic()
            while not self.done():
                self.pass_over_epoch(meter)
            self.evaluate()
            self.save()  # measuring and saving may be interrupted too; the training is not done again
        for listener in self.listeners:
            listener.finish(self.progress)
        self.lean.end()
        self.processes.whole(self.model)
        position, reason = self.position, self.progress.stop_reason or "budget used up"
        return Trained(position.seconds, position.samples, self.progress.step, reason, position.compile_seconds)

    def over_rows(self, see: Callable[[Batch], None]) -> None:
        """Run the model over the training rows as they are evaluated; ``see`` gets each batch after its pass."""
        job = self.job
        with self.runtime.products(), self.lean.evaluating():
            for _, batch, _ in Evaluator(job.task, self.model, job.base, job.seed).batches(job.examples, "score"):
                see(batch)

    def pass_over_epoch(self, meter: Meter) -> None:
        """The rest of the current epoch, step by step."""
        at = self.position
        steps = self.course.steps(at.epoch)
        self.model.train()  # for all of it: who evaluates in between leaves every part in the mode in which it was
        hold_still(self.model)
        while at.step < len(steps) and not self.done():
            batches = steps[at.step]
            at.step += 1
            if at.step == len(steps):
                at.epoch, at.step = at.epoch + 1, 0
            self.step(batches, meter)
            self.progress.epoch = at.epoch + at.step / len(steps)
            self.between_steps(end_of_epoch=at.step == 0)
            if at.step == 0:
                return

    def step(self, batches: list[Any], meter: Meter) -> None:
        """One optimiser step over its micro-batches."""
        began = time.perf_counter()
        losses = self.micro_batches.attempt(batches, self.passes)
        items, total = self.processes.total(
            sum(loss.items for loss in losses), sum(loss.value.item() * loss.items for loss in losses)
        )
        with self.clock.phase("optimiser"):
            self.update(items if self.shared(losses) else 1)
            self.processes.follow(self.model)
        self.progress.step += 1
        for listener in self.listeners:
            listener.after_step(self.progress)
        if self.may_write:
            self.lean.renew()
        samples = sum(len(indices) for indices in batches)
        elapsed = self.processes.slowest(time.perf_counter() - began) - self.compilation.took(self.processes.slowest)
        self.position.samples += samples
        self.position.seconds += elapsed
        mean = total / max(1, items)
        self.events.write("step", step=self.progress.step, epoch=round(self.progress.epoch, 4), loss=mean)
        meter.advance(1, loss=mean, samples_per_second=samples / elapsed)
        self.clock.step()
        self.compilation.after_step(elapsed, self.course.tokens(batches))

    def passes(self, batches: list[np.ndarray]) -> list[Loss]:
        """Forward and backward over a step's micro-batches: their losses; gradients add up in the weights."""
        share, losses = self.shared(batches), []
        for number, rows in enumerate(batches):
            # What is frozen has a path of its own: in fp32 its bits must not depend on what shares a batch.
            lean = self.lean.on(compiled=self.compilation.compiled)
            with self.runtime.training(), self.job.states.of(rows), lean:
                losses.append(self.micro_batch(number, rows, share=share))
        return losses

    def shared(self, parts: Sequence[object]) -> bool:
        """Whether a step has several parts, one after the other or in several processes."""
        return len(parts) * self.processes.count > 1

    def micro_batch(self, number: int, indices: Any, *, share: bool) -> Loss:
        """Forward and backward. A share of a step sums gradients per item, so that sizes may differ."""
        job = self.job
        where = (job.seed, 3, self.progress.step, number)
        seed_everything(derive(*where))
        with self.clock.phase("data"):
            taken = job.examples.take(pa.array(indices))
            collated = job.task.collate(taken, job.base, generator(*where), purpose="train")
            rows = self.processes.share(collated)
            batch = moved(rows.batch, self.runtime.device)
        self.processes.seed(*where)

        def forward() -> Loss:
            with self.clock.phase("forward"), self.runtime.products():
                return rows.counted(job.task.loss(self.model, batch))

        def backward(loss: Loss) -> None:
            with self.clock.phase("backward"):
                self.runtime.accelerator.backward(loss.value * loss.items if share else loss.value)

        step = Step(job.task, batch, forward, backward)
        loss = forward()
        for listener in self.listeners:
            loss = listener.loss(step, loss)
        if not math.isfinite(loss.value.item()):
            raise TrainingError(
                f"stage {job.name}: the loss is {loss.value.item()} in step {self.progress.step + 1}, micro-batch "
                f"{number + 1} (epoch {self.progress.epoch:.2f}, examples {indices[:5].tolist()} …). Expected a finite "
                "number. Lower train.learning_rate, set train.clip_norm, or use precision: fp32."
            )
        backward(loss)
        for listener in self.listeners:
            listener.after_backward(step)
        return Loss(loss.value.detach(), loss.items)

    def update(self, items: int) -> None:
        """Sum, scale, clip, step."""
        self.processes.sum_gradients(self.parameters)
        accelerator = self.runtime.accelerator
        accelerator.unscale_gradients(self.optimizer)
        if items > 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(items)
        if self.job.train.clip_norm is not None:
            clip(self.optimizer, self.parameters, self.job.train.clip_norm)
        factor = self.schedule.factor(*self.when())
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        with self.lean.stepping(self.optimizer):
            self.optimizer.step()
        self.optimizer.zero_grad()

    def between_steps(self, *, end_of_epoch: bool) -> None:
        """Evaluate and save where it is time to; obey a signal."""
        every = self.job.train.evaluate_every
        if (self.progress.step % every == 0) if every else end_of_epoch:
            self.evaluate()
        interrupted, due = self.processes.any(self.signals.came is not None, self.time_to_save())
        if interrupted:
            self.save()
            came = self.signals.came or "a signal to another process"
            raise Interrupted(f"{came}: stage {self.job.name} is saved at step {self.progress.step}")
        if due:
            self.save()

    def time_to_save(self) -> bool:
        """By steps where the recipe says so, else by the clock; when does not change what is learnt."""
        every = self.job.train.checkpoint_every
        if every is not None:
            return self.progress.step % every == 0
        return time.monotonic() - self.saved_at > CHECKPOINT_SECONDS

    def evaluate(self) -> None:
        """Score the validation split and tell the techniques."""
        if self.job.validation is None or self.position.evaluated_at == self.progress.step:
            return
        self.position.evaluated_at = self.progress.step
        task = self.job.task
        with ExitStack() as stack:
            stack.enter_context(self.clock.phase("evaluation"))
            stack.enter_context(self.compilation.eager())
            for listener in self.listeners:
                stack.enter_context(listener.evaluating(self.progress))
            with self.runtime.products(), self.lean.evaluating():
                job, states = self.job, self.job.validation_states
                evaluator = Evaluator(task, self.model, job.base, job.seed, states)
                outcome = evaluator.outcome(job.validation, "score")
            measured = self.processes.on_main(values, outcome, task.epoch_metrics)
            primary = task.epoch_metrics[0]
            scores = Scores(measured[primary], metric(primary).higher_is_better, measured)
            for listener in self.listeners:
                listener.after_evaluation(self.progress, scores)
        self.events.write("evaluation", step=self.progress.step, epoch=round(self.progress.epoch, 4), **measured)
        self.runtime.accelerator.log(dict(measured), step=self.progress.step)
        self.reporter.say(
            f"{self.job.name}: epoch {self.progress.epoch:.2f}, validation {primary} {measured[primary]:.4f}"
        )

    def done(self) -> bool:
        """Whether the budget is used up or a technique asked for the end."""
        if self.progress.stop_reason:
            return True
        if self.job.train.minutes is not None:
            return self.position.spent >= self.job.train.minutes * 60
        return self.progress.step >= self.total_steps

    def when(self) -> tuple[int, int]:
        """(step, total) for the schedule; a wall-clock budget counts as many small steps."""
        if self.job.train.minutes is None:
            return self.progress.step, self.total_steps
        share = min(1.0, self.position.spent / (self.job.train.minutes * 60))
        return int(share * MINUTES_RESOLUTION), MINUTES_RESOLUTION

    def save(self) -> None:
        """Write a checkpoint of everything, unless the newest one is of this very moment."""
        now = (self.progress.step, self.position.evaluated_at)
        if now != self.saved:
            with self.clock.phase("checkpoint"):
                self.processes.on_main(checkpoint.write, self.checkpoints, self.progress.step, self.state.pack())
            self.saved, self.saved_at = now, time.monotonic()

    def resume(self) -> None:
        """Put back the newest sound checkpoint, if there is one."""
        found = checkpoint.newest(self.checkpoints)
        self.processes.require_same("step", -1 if found is None else found.step)
        if found is None:
            self.events.rewind(0)
            for listener in self.listeners:
                listener.begin(self.progress)
            return
        for fault in found.damaged:
            self.reporter.warn(f"damaged checkpoint passed over, the one before it is used: {fault}")
        began_on, goes_on_with = self.state.unpack(found.snapshot), self.runtime.describe()
        self.saved = (self.progress.step, self.position.evaluated_at)
        self.events.rewind(self.progress.step)
        self.reporter.say(f"{self.job.name}: goes on from step {self.progress.step}")
        if began_on != goes_on_with:
            self.reporter.warn(
                f"{self.job.name} began on {began_on} and goes on with {goes_on_with}: "
                "the result will be right, but not equal to the bit to an uninterrupted run"
            )
