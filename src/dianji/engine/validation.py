"""Scores on the validation split during training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import pyarrow as pa

from dianji.engine.compiling import Compilation
from dianji.engine.context import RunContext
from dianji.engine.evaluation import Evaluator, metric, values
from dianji.techniques.base import Scores


class Validation:
    """Measures the model as it is, or as a technique replaces its weights for the time of a measurement."""

    def __init__(self, context: RunContext, compilation: Compilation) -> None:
        self.context = context
        self.compilation = compilation

    def score(self) -> None:
        """Score the validation split once per step, inform the techniques, and write the scores down."""
        context, progress, rows = self.context, self.context.progress, self.context.job.validation
        if rows is None or context.position.evaluated_at == progress.step:
            return
        context.position.evaluated_at = progress.step
        primary = context.job.task.epoch_metrics[0]
        with ExitStack() as stack:
            stack.enter_context(context.clock.phase("evaluation"))
            stack.enter_context(self.compilation.eager())
            for listener in context.listeners:
                stack.enter_context(listener.evaluating(progress))
            measured = self._measured(rows)
            scores = Scores(measured[primary], metric(primary).higher_is_better, measured)
            for listener in context.listeners:
                listener.after_evaluation(progress, scores)
        context.events.write("evaluation", step=progress.step, epoch=round(progress.epoch, 4), **measured)
        context.runtime.accelerator.log(dict(measured), step=progress.step)
        context.reporter.say(
            f"{context.job.name}: epoch {progress.epoch:.2f}, validation {primary} {measured[primary]:.4f}"
        )

    def _measured(self, rows: pa.Table) -> Mapping[str, float]:
        context, job = self.context, self.context.job
        with context.runtime.products(), context.fast_layers.evaluating():
            evaluator = Evaluator(job.task, context.model, job.base, job.seed, job.validation_states)
            outcome = evaluator.outcome(rows, "score")
        return context.runtime.processes.on_main(values, outcome, job.task.epoch_metrics)
