"""Forward and backward passes over the micro-batches of one optimiser step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.engine.compiling import Compilation
from dianji.engine.context import RunContext
from dianji.engine.device import moved
from dianji.engine.seeding import derive, generator, seed_everything
from dianji.errors import TrainingError
from dianji.tasks.base import Batch, Loss
from dianji.techniques.base import Step


class Passes:
    """Computes losses, and accumulates gradients in the weights."""

    def __init__(self, context: RunContext, compilation: Compilation) -> None:
        self.context = context
        self.compilation = compilation

    def over(self, batches: list[np.ndarray]) -> list[Loss]:
        """The losses of a step's micro-batches; their gradients are in the weights afterwards."""
        context, share, losses = self.context, self.shared(batches), []
        for number, rows in enumerate(batches):
            # Frozen layers take their own path: in fp32 a row's bits must not depend on the other rows of its batch.
            fast_layers = context.fast_layers.on(compiled=self.compilation.compiled)
            with context.runtime.training(), context.job.states.of(rows), fast_layers:
                losses.append(self._micro_batch(number, rows, share=share))
        return losses

    def shared(self, parts: Sequence[object]) -> bool:
        """Whether a step has several parts, one after the other or in several processes."""
        return len(parts) * self.context.runtime.processes.count > 1

    def _micro_batch(self, number: int, indices: np.ndarray, *, share: bool) -> Loss:
        """Forward and backward. A share of a step sums gradients per item, so that sizes may differ."""
        context, job, clock = self.context, self.context.job, self.context.clock
        runtime, processes = context.runtime, context.runtime.processes
        where = (job.seed, 3, context.progress.step, number)
        coupled = job.task.couples_examples
        model = processes.gathered(context.model) if coupled else context.model
        seed_everything(derive(*where))
        with clock.phase("data"):
            rows = processes.share(self._collated(indices, where), coupled=coupled)
            batch = moved(rows.batch, runtime.device)
        processes.seed(*where)

        def forward() -> Loss:
            with clock.phase("forward"), runtime.products():
                return rows.counted(job.task.loss(model, batch))

        def backward(loss: Loss) -> None:
            with clock.phase("backward"):
                runtime.accelerator.backward(loss.value * loss.items if share else loss.value)

        step = Step(job.task, batch, forward, backward)
        loss = forward()
        for listener in context.listeners:
            loss = listener.loss(step, loss)
        self._require_finite(loss, number, indices)
        backward(loss)
        for listener in context.listeners:
            listener.after_backward(step)
        return Loss(loss.value.detach(), loss.items)

    def _collated(self, indices: Any, where: tuple[int, ...]) -> Batch:
        job = self.context.job
        return job.task.collate(job.examples.take(pa.array(indices)), job.base, generator(*where), purpose="train")

    def _require_finite(self, loss: Loss, number: int, indices: np.ndarray) -> None:
        if not math.isfinite(loss.value.item()):
            progress = self.context.progress
            raise TrainingError(
                f"stage {self.context.job.name}: the loss is {loss.value.item()} in step {progress.step + 1}, "
                f"micro-batch {number + 1} (epoch {progress.epoch:.2f}, examples {indices[:5].tolist()} …). Expected a "
                "finite number. Lower train.learning_rate, set train.clip_norm, or use precision: fp32."
            )
