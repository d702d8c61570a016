"""A model over a whole split: outputs in the order of the rows, and what metrics make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from dianji.bases.base import Base
from dianji.engine.batches import Size, in_order
from dianji.engine.frozen.states import WHOLE, States
from dianji.engine.seeding import generator
from dianji.evaluate.metric import Metric
from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY
from dianji.reporting import Meter, Silent
from dianji.tasks.base import Batch, Outputs, Task

#: Tokens in one forward pass. On a CPU larger passes leave the caches: 1.4 times the time at 8,192 (MiniLM, 16 tokens a
#: text). A GPU wants them large.
TOKENS = {"cpu": 2048, "cuda": 32768}
EXAMPLES = 256


def run_model(
    task: Task,
    model: nn.Module,
    base: Base,
    examples: pa.Table,
    seed: int,
    meter: Meter | None = None,
    states: States | None = None,
) -> Outputs:
    """The task's outputs for every row, in the order of the rows.

    Random draws (masks) follow from ``seed`` and the batch's number, so that two calls on the same rows agree. The
    model is left in the mode it was in. ``states`` is what a frozen part of it says of the examples, if known.
    """
    meter = meter or Silent()
    collected: list[tuple[np.ndarray, Outputs]] = []
    for indices, _, outputs in outputs_by_batch(task, model, base, examples, seed, states):
        collected.append((indices, outputs))
        meter.advance(len(indices))
    return task.assemble(_restore_order(collected, examples.num_rows), examples)


def outputs_by_batch(
    task: Task, model: nn.Module, base: Base, examples: pa.Table, seed: int, states: States | None = None
) -> Iterator[tuple[np.ndarray, Batch, Outputs]]:
    """(positions of its rows, a batch, the task's outputs for it), one after the other, in evaluation mode."""
    states = states or WHOLE
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    lengths = examples["length"].to_numpy()
    tokens = Size(tokens=TOKENS.get(device.type, 8192))
    batches = in_order(lengths, tokens if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES))
    try:
        for number, indices in enumerate(batches):
            rng = generator(seed, 2, number)
            collated = task.collate(examples.take(pa.array(indices)), base, rng, training=False)
            batch = {name: tensor.to(device) for name, tensor in collated.items()}
            with torch.inference_mode(), states.of(indices):
                outputs = task.outputs(model, batch)
            yield indices, batch, outputs
    finally:
        model.train(was_training)


def _restore_order(collected: list[tuple[np.ndarray, Outputs]], rows: int) -> Outputs:
    names = collected[0][1] if collected else {}
    restored: Outputs = {}
    for name in names:
        first = collected[0][1][name]
        whole = np.empty((rows, *first.shape[1:]), dtype=first.dtype)
        for indices, outputs in collected:
            whole[indices] = outputs[name]
        restored[name] = whole
    return restored


def values(outcome: Outcome, metrics: Iterable[str]) -> Mapping[str, float]:
    """Plain metric values, without intervals: quick enough for every epoch."""
    ones = np.ones((1, outcome.rows))
    return {name: float(metric(name)(outcome, ones)[0]) for name in metrics}


def metric(name: str) -> Metric:
    """The registered metric of that name, with its defaults."""
    found: Metric = REGISTRY.build("metric", name, {})
    return found
