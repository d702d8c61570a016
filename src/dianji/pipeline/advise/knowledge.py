"""What a base knows of labels before it learns: a regression on its frozen features against one on counted words."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from dianji.advice import Knowledge
from dianji.bases.base import BaseSource
from dianji.evaluate.baselines import fit_baseline, logistic
from dianji.pipeline.features import frozen_features
from dianji.pipeline.label_errors import STRENGTH, standardised
from dianji.reporting import Reporter
from dianji.tasks.base import Comparable, Task

MOST_ROWS = 2000
HELD_OUT = 0.25
#: With fewer held-out rows the two accuracies say nothing of each other.
LEAST_HELD_OUT = 20


def knowledge(task: Task, source: BaseSource, table: pa.Table, reporter: Reporter) -> Knowledge | None:
    """Measured on at most ``MOST_ROWS`` training rows; None where a row may have several labels, or rows are few.

    Args:
        task: what is to be learnt.
        source: the pre-trained base.
        table: the training split.
        reporter: hears how it goes.
    """
    names = [name for name in task.baselines if name != "majority"]
    if not names or table.num_rows * HELD_OUT < LEAST_HELD_OUT or "label" not in task.columns:
        return None
    order = np.random.Generator(np.random.PCG64(0)).permutation(table.num_rows)[:MOST_ROWS]
    drawn = table.take(pa.array(np.sort(order)))
    fitted = cast(Comparable, task.fit(drawn))  # a task that names baselines is one
    targets = fitted.baseline_targets(drawn)
    held_out = np.zeros(len(targets), dtype=bool)
    held_out[np.random.Generator(np.random.PCG64(1)).permutation(len(targets))[: round(HELD_OUT * len(targets))]] = True
    with reporter.work(f"what {source.card().name} knows", drawn.num_rows, "rows") as meter:
        features = standardised(frozen_features(fitted, source.prepare(drawn), drawn, meter))
    classes = len(fitted.labels)
    by_features = logistic(features[~held_out], targets[~held_out], classes, STRENGTH)(features[held_out])
    inputs = fitted.baseline_inputs(drawn)
    counted = fit_baseline(names[0], _rows(inputs, ~held_out), targets[~held_out], fitted.labels, 0)
    by_counts = counted(_rows(inputs, held_out))
    truth = targets[held_out]
    return Knowledge(
        float((by_features.argmax(axis=1) == truth).mean()),
        float((by_counts.argmax(axis=1) == truth).mean()),
        len(truth),
    )


def _rows(inputs: list[str] | np.ndarray, chosen: np.ndarray) -> list[str] | np.ndarray:
    if isinstance(inputs, list):
        return [inputs[number] for number in np.flatnonzero(chosen)]
    found: np.ndarray = inputs[chosen]
    return found
