"""Measures how well a base predicts labels before it is trained, against a model of counted words or pixels."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from dianji.advice import Knowledge
from dianji.bases.base import BaseSource
from dianji.evaluate.baseline import Baseline, Comparable
from dianji.evaluate.logistic import logistic
from dianji.evaluate.outcome import Outcome
from dianji.pipeline.features import frozen_features
from dianji.pipeline.label_errors import STRENGTH, standardised
from dianji.registry import REGISTRY
from dianji.reporting import Reporter
from dianji.tasks.base import Task

MOST_ROWS = 2000
HELD_OUT = 0.25
#: With fewer held-out rows the two accuracies say nothing of each other.
LEAST_HELD_OUT = 20


def knowledge(task: Task, source: BaseSource, table: pa.Table, reporter: Reporter) -> Knowledge | None:
    """Measured on at most ``MOST_ROWS`` rows; None where rows have several labels or are few, or no baseline applies.

    Args:
        task: the task to learn.
        source: the pre-trained base.
        table: the training split.
        reporter: receives messages and progress.
    """
    names = [name for name in task.baselines if name != "majority"]
    if not names or table.num_rows * HELD_OUT < LEAST_HELD_OUT or not task.linear_head:
        return None
    order = np.random.Generator(np.random.PCG64(0)).permutation(table.num_rows)[:MOST_ROWS]
    drawn = table.take(pa.array(np.sort(order)))
    learnt = task.fit(drawn)
    fitted = cast(Comparable, learnt)  # a task with a linear head and baselines is one
    targets = fitted.baseline_targets(drawn)
    held_out = np.zeros(len(targets), dtype=bool)
    held_out[np.random.Generator(np.random.PCG64(1)).permutation(len(targets))[: round(HELD_OUT * len(targets))]] = True
    with reporter.work(f"what {source.card().name} knows", drawn.num_rows, "rows") as meter:
        features = standardised(frozen_features(learnt, source.prepare(learnt.corpus(drawn)), drawn, meter))
    classes = len(fitted.labels)
    by_features = logistic(features[~held_out], targets[~held_out], classes, STRENGTH)(features[held_out])
    baseline: Baseline = REGISTRY.build("baseline", names[0], {})
    asked = drawn.filter(pa.array(held_out))
    answer = baseline.fit(fitted, drawn.filter(pa.array(~held_out)), 0)
    if answer is None:
        return None
    counted = answer(asked)
    own = fitted.baseline_outcome(asked, by_features)
    return Knowledge(_accuracy(own), _accuracy(counted), asked.num_rows)


def _accuracy(outcome: Outcome) -> float:
    right = outcome.right()
    return float("nan") if right is None else float(right.mean())
