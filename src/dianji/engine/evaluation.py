"""A model over a whole split: outputs in the order of the rows, and what metrics make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
from dianji.tasks.base import Outputs, Task

TOKENS = 8192  # in one forward pass
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
    meter, states = meter or Silent(), states or WHOLE
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    lengths = examples["length"].to_numpy()
    batches = in_order(lengths, Size(tokens=TOKENS) if int(lengths.max(initial=1)) > 1 else Size(examples=EXAMPLES))
    collected: list[tuple[np.ndarray, Outputs]] = []
    try:
        for number, indices in enumerate(batches):
            rng = generator(seed, 2, number)
            batch = task.collate(examples.take(pa.array(indices)), base, rng, training=False)
            with torch.inference_mode(), states.of(indices):
                outputs = task.outputs(model, {name: tensor.to(device) for name, tensor in batch.items()})
            collected.append((indices, outputs))
            meter.advance(len(indices))
    finally:
        model.train(was_training)
    return task.assemble(_restore_order(collected, len(lengths)), examples)


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
