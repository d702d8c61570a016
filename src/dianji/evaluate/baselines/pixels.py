"""Logistic regression on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.evaluate.baseline import Comparable, Fitted
from dianji.evaluate.labelled import Classified
from dianji.evaluate.logistic import logistic
from dianji.evaluate.outcome import Outcome
from dianji.registry import component

#: It learns from at most so many rows, drawn by the seed: that takes seconds.
MOST_PICTURES = 20_000


@component("baseline", "pixels-logistic-regression")
@dataclass(frozen=True)
class Pixels:
    """Pixels in [0, 1], each centred by its mean over the training rows."""

    serves: ClassVar[tuple[type[Outcome], ...]] = (Classified,)

    def fit(self, task: Comparable, table: pa.Table, seed: int) -> Fitted:
        """See ``Baseline``."""
        rng = np.random.Generator(np.random.PCG64(seed))
        chosen = np.sort(rng.permutation(table.num_rows)[:MOST_PICTURES])
        pixels = _scaled(np.asarray(task.baseline_inputs(table))[chosen])
        mean = pixels.mean(axis=0)
        model = logistic(pixels - mean, task.baseline_targets(table)[chosen], len(task.labels), strength=0.1)
        return lambda rows: task.baseline_outcome(rows, model(_scaled(np.asarray(task.baseline_inputs(rows))) - mean))


def _scaled(pixels: np.ndarray) -> np.ndarray:
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    return flat / np.float32(255) if pixels.dtype == np.uint8 else flat
