"""Checkpoints of a run: when they are written, and how a run goes on from the newest one."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from dianji.engine import checkpoint
from dianji.engine.context import RunContext
from dianji.engine.state import RunState

CHECKPOINT_SECONDS = 120.0


class Checkpoints:
    """Writes and reads the run's checkpoints. When they are written does not change what is learnt."""

    def __init__(self, context: RunContext, optimizer: torch.optim.Optimizer, folder: Path) -> None:
        self.context = context
        self.folder = folder
        self.state = RunState(
            context.model, optimizer, context.listeners, context.progress, context.position, context.runtime
        )
        self.saved = (-1, -1)  # (step, step of the last evaluation) of the newest checkpoint
        self.saved_at = time.monotonic()

    def due(self) -> bool:
        """By steps where the recipe says so, else by the clock."""
        every = self.context.job.train.checkpoint_every
        if every is not None:
            return self.context.progress.step % every == 0
        return time.monotonic() - self.saved_at > CHECKPOINT_SECONDS

    def save(self) -> None:
        """Write a checkpoint of the whole run, unless the newest one is of this very moment."""
        context, step = self.context, self.context.progress.step
        now = (step, context.position.evaluated_at)
        if now != self.saved:
            with context.clock.phase("checkpoint"):
                context.runtime.processes.on_main(checkpoint.write, self.folder, step, self.state.pack())
            self.saved, self.saved_at = now, time.monotonic()

    def resume(self) -> None:
        """Put back the newest sound checkpoint; without one, let the techniques begin."""
        context, progress = self.context, self.context.progress
        found = checkpoint.newest(self.folder)
        context.runtime.processes.require_same("step", -1 if found is None else found.step)
        self.saved_at = time.monotonic()
        if found is None:
            context.events.rewind(0)
            for listener in context.listeners:
                listener.begin(progress)
            return
        for fault in found.damaged:
            context.reporter.warn(f"damaged checkpoint passed over, the one before it is used: {fault}")
        began_on = self.state.unpack(found.snapshot)
        self.saved = (progress.step, context.position.evaluated_at)
        context.events.rewind(progress.step)
        context.reporter.say(f"{context.job.name}: goes on from step {progress.step}")
        self._compare(began_on, context.runtime.identity())

    def _compare(self, began_on: str, goes_on_with: str) -> None:
        if began_on != goes_on_with:
            self.context.reporter.warn(
                f"{self.context.job.name} began on {began_on} and goes on with {goes_on_with}: "
                "the result will be right, but not equal to the bit to an uninterrupted run"
            )
