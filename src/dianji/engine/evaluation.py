"""Evaluates a model on a split, some rows at a time: outputs in the order of the rows, outcomes, metric values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from dianji.bases.base import Base
from dianji.engine.batches import Size, in_order
from dianji.engine.device import moved
from dianji.engine.frozen.contract import WHOLE, States
from dianji.engine.frozen.trace import evaluating
from dianji.engine.seeding import generator
from dianji.evaluate.joint import SEPARATOR, OfPart
from dianji.evaluate.metric import Metric
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.ragged import concatenate, take
from dianji.registry import REGISTRY
from dianji.reporting import Meter, Silent
from dianji.tasks.base import Batch, Outputs, Purpose, Task

#: Tokens in one forward pass. On a CPU larger passes leave the caches: 1.4 times the time at 8,192 (MiniLM, 16 tokens a
#: text). A GPU wants them large.
TOKENS = {"cpu": 2048, "cuda": 32768}
EXAMPLES = 256


@dataclass(frozen=True)
class Evaluator:
    """Runs a task's model on examples. The model keeps its mode (training or evaluation).

    Random draws (masks) follow from ``seed`` and the batch's number, so that two calls on the same rows agree.
    """

    task: Task
    model: nn.Module
    base: Base
    seed: int
    #: The outputs of a frozen part of the model for the examples, if they are known.
    states: States = WHOLE

    def outcome(self, examples: pa.Table, purpose: Purpose, meter: Meter | None = None) -> Outcome:
        """Outputs beside targets. At most ``task.rows_at_once`` rows of outputs are in memory at a time."""
        shares = self.task.shares(self.model, examples).items()
        found = {
            name: replace(self, task=of.task, model=of.model)._of(of.examples, purpose, meter) for name, of in shares
        }
        return self.task.unite(found, examples)

    def outputs(
        self, examples: pa.Table, purpose: Purpose = "predict", meter: Meter | None = None, *, first: int = 0
    ) -> Outputs:
        """The task's outputs for every row, in the order of the rows; ``first``: where they begin in ``states``."""
        meter = meter or Silent()
        collected: list[tuple[np.ndarray, Outputs]] = []
        for indices, _, outputs in self.batches(examples, purpose, first=first):
            collected.append((indices, outputs))
            meter.advance(len(indices))
        return self.task.assemble(_restore_order(collected), examples)

    def _of(self, examples: pa.Table, purpose: Purpose, meter: Meter | None) -> Outcome:
        parts: list[Outcome] = []
        for start, stop in chunks(examples, self.task.rows_at_once):
            part = examples.slice(start, stop - start)
            outputs = self.task.decode(self.outputs(part, purpose, meter, first=start), self.base)
            parts.append(self.task.outcome(outputs, part))
        return type(parts[0]).join(parts).complete()

    def batches(
        self, examples: pa.Table, purpose: Purpose, *, first: int = 0
    ) -> Iterator[tuple[np.ndarray, Batch, Outputs]]:
        """(positions of its examples, a batch, the task's outputs for it), one after the other, in evaluation mode."""
        device = next(self.model.parameters()).device
        lengths = examples["length"].to_numpy()
        tokens = Size(tokens=TOKENS.get(device.type, 8192))
        sized = in_order(lengths, tokens if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES))
        with evaluating(self.model):
            for number, indices in enumerate(sized):
                rng = generator(self.seed, 2, first, number) if first else generator(self.seed, 2, number)
                taken = examples.take(pa.array(indices))
                batch = moved(self.task.collate(taken, self.base, rng, purpose=purpose), device)
                with torch.inference_mode(), self.states.of(indices + first):
                    outputs = self.task.outputs(self.model, batch)
                yield indices, batch, outputs


def chunks(examples: pa.Table, rows: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of consecutive examples of at most ``rows`` rows; no row is divided.

    One chunk where examples hold several rows each. At least one chunk, which may be empty.
    """
    column = examples["row"]
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or not examples.num_rows:
        yield 0, examples.num_rows
        return
    numbers = column.to_numpy()
    bounds = np.searchsorted(numbers, np.arange(int(numbers[0]) + rows, int(numbers[-1]) + 1, rows), side="left")
    edges = np.unique([0, *bounds.tolist(), len(numbers)])
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def values(outcome: Outcome, metrics: Iterable[str]) -> Mapping[str, float]:
    """Plain metric values, without intervals: quick enough for every epoch."""
    ones = np.ones((1, outcome.rows))
    return {name: float(_statistic(name)(outcome, ones)[0]) for name in metrics}


def metric(name: str) -> Metric:
    """The registered metric of that name, with its defaults; of ``part/name`` the metric itself."""
    found: Metric = REGISTRY.build("metric", name.rpartition(SEPARATOR)[2], {})
    return found


def _statistic(name: str) -> Callable[[Any, np.ndarray], np.ndarray]:
    part, separator, _ = name.rpartition(SEPARATOR)
    return OfPart(part, metric(name)) if separator else metric(name)


def _restore_order(collected: list[tuple[np.ndarray, Outputs]]) -> Outputs:
    if not collected:
        return {}
    place = np.argsort(np.concatenate([indices for indices, _ in collected]), kind="stable")
    names = collected[0][1]
    return {name: take(concatenate([outputs[name] for _, outputs in collected]), place) for name in names}
