"""The training loop. One for every task, adaptation and technique: they are parts, and the loop only calls them."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from dianji.adapt.layers import hold_still
from dianji.engine.budget import Budget
from dianji.engine.clock import Clock
from dianji.engine.compiling import Compilation
from dianji.engine.context import RunContext
from dianji.engine.job import Job, Trained
from dianji.engine.memory import steady_memory
from dianji.engine.microbatches import MicroBatches
from dianji.engine.passes import Passes
from dianji.engine.runtime import Runtime
from dianji.engine.saving import Checkpoints
from dianji.engine.signals import Signals
from dianji.engine.update import WeightUpdate
from dianji.engine.validation import Validation
from dianji.reporting import Meter, Reporter
from dianji.tasks.base import Loss


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; everything is saved."""


class Training:
    """One run of the loop, from the last checkpoint or from the start, to the end."""

    def __init__(
        self, job: Job, runtime: Runtime, folder: Path, reporter: Reporter, clock: Clock | None = None
    ) -> None:
        self.context = context = RunContext.open(job, runtime, folder, reporter, clock or Clock())
        progress, position = context.progress, context.position
        self.update = WeightUpdate(context)
        context.start_techniques()
        self.micro_batches = MicroBatches(
            job.name, context.model, position, reporter, runtime.processes.count, coupled=job.task.couples_examples
        )
        self.compilation = Compilation(job.train.compile, progress, position, reporter, context.clock)
        self.passes, self.validation = Passes(context, self.compilation), Validation(context, self.compilation)
        self.budget = Budget(job.train, progress, position)
        self.checkpoints = Checkpoints(context, self.update.optimizer, folder / "checkpoint")
        self.signals = Signals(runtime.processes.echo)

    def run(self) -> Trained:
        """Train to the end.

        Raises:
            TrainingError: the loss is not a number.
            Interrupted: a signal came; the checkpoint is written.
        """
        context = self.context
        context.reporter.say(f"{context.job.name}: fast layers: {context.fast_layers.description}")
        self.checkpoints.resume()
        context.fast_layers.renew()  # weights may have been written to since its layers were tried
        with ExitStack() as stack:
            stack.enter_context(self.signals.watched())
            stack.enter_context(steady_memory())
            stack.enter_context(self.compilation.watched())
            meter = stack.enter_context(self._meter())
            while not self.budget.used_up():
                self.pass_over_epoch(meter)
            self.validation.score()
            self.checkpoints.save()  # measuring and saving may be interrupted too; the training is not done again
        return self.finish()

    def pass_over_epoch(self, meter: Meter) -> None:
        """The rest of the current epoch, step by step."""
        context, at = self.context, self.context.position
        steps = context.order.steps(at.epoch)
        context.model.train()  # for all of it: an evaluation in between leaves every part in the mode in which it was
        hold_still(context.model)
        while at.step < len(steps) and not self.budget.used_up():
            batches = steps[at.step]
            at.step += 1
            if at.step == len(steps):
                at.epoch, at.step = at.epoch + 1, 0
            self.step(batches, meter)
            context.progress.epoch = at.epoch + at.step / len(steps)
            self.between_steps(end_of_epoch=at.step == 0)
            if at.step == 0:
                return

    def step(self, batches: list[Any], meter: Meter) -> None:
        """One optimiser step over its micro-batches."""
        context, processes = self.context, self.context.runtime.processes
        began = time.perf_counter()
        losses = self.micro_batches.attempt(batches, self.passes.over)
        items, total = processes.total(
            sum(loss.items for loss in losses), sum(loss.value.item() * loss.items for loss in losses)
        )
        self.change_weights(losses, items)
        seconds = processes.slowest(time.perf_counter() - began) - self.compilation.took(processes.slowest)
        samples, mean = sum(len(indices) for indices in batches), total / max(1, items)
        context.position.samples += samples
        context.position.seconds += seconds
        context.events.write("step", step=context.progress.step, epoch=round(context.progress.epoch, 4), loss=mean)
        meter.advance(1, loss=mean, samples_per_second=samples / seconds)
        context.clock.step()
        self.compilation.after_step(seconds, context.order.tokens(batches))

    def change_weights(self, losses: list[Loss], items: int) -> None:
        """Update the weights from the step's gradients, then let the techniques act on them."""
        context = self.context
        with context.clock.phase("optimiser"):
            self.update.apply(items if self.passes.shared(losses) else 1, self.budget.when())
            context.runtime.processes.follow(context.model)
        context.progress.step += 1
        for listener in context.listeners:
            listener.after_step(context.progress)
        if context.may_write:
            context.fast_layers.renew()

    def between_steps(self, *, end_of_epoch: bool) -> None:
        """Evaluate and save where it is time to; obey a signal."""
        job, step = self.context.job, self.context.progress.step
        every = job.train.evaluate_every
        if (step % every == 0) if every else end_of_epoch:
            self.validation.score()
        interrupted, due = self.context.runtime.processes.any(self.signals.came is not None, self.checkpoints.due())
        if interrupted or due:
            self.checkpoints.save()
        if interrupted:
            came = self.signals.came or "a signal to another process"
            raise Interrupted(f"{came}: stage {job.name} is saved at step {step}")

    def finish(self) -> Trained:
        """Leave the model with its final weights; the figures of the run."""
        context, progress, position = self.context, self.context.progress, self.context.position
        for listener in context.listeners:
            listener.finish(progress)
        context.fast_layers.end()
        context.runtime.processes.whole(context.model)
        reason = progress.stop_reason or "budget used up"
        return Trained(position.seconds, position.samples, progress.step, reason, position.compile_seconds)

    def _meter(self) -> AbstractContextManager[Meter]:
        progress = self.context.progress
        return self.context.reporter.work(self.context.job.name, progress.total_steps or None, "steps", progress.step)
