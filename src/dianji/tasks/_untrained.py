"""What a base answers before it is trained, by the same template, measures and rows as the trained model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.evaluate.outcome import Outcome
from dianji.tasks.base import Task

_TOKENS = 2048  # that are read together


@dataclass(frozen=True)
class UntrainedBase:
    """A fitted task beside the base that it starts from."""

    task: Task
    base: Base

    def before_training(self) -> Callable[[pa.Table], Outcome] | None:
        """Gives the outcome of the base's own answers; None where the base has learnt no output layer yet."""
        if not self.base.card.pretrained or self.base.folder is None:
            return None
        model = self.task.model(self.base).model
        if self.base.new_weights:  # drawn at random just now: no answers of the base
            return None
        return lambda table: self._outcome_of(model, table)

    @torch.inference_mode()
    def _outcome_of(self, model: torch.nn.Module, table: pa.Table) -> Outcome:
        examples = self.task.encode(table, self.base)
        lengths = examples["length"].to_numpy()
        order = np.argsort(-lengths, kind="stable")
        parts, start = [], 0
        while start < len(order):
            size = max(1, _TOKENS // max(1, int(lengths[order[start]])))
            some = examples.take(pa.array(order[start : start + size]))
            batch = self.task.collate(some, self.base, np.random.default_rng(0), purpose=self.task.measured_for)
            outputs = self.task.decode(self.task.assemble(self.task.outputs(model, batch), some), self.base)
            parts.append(self.task.outcome(outputs, some))
            start += size
        joined: Outcome = type(parts[0]).join(parts)
        return joined.take(np.argsort(order, kind="stable")).complete()
