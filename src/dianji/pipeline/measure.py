"""What a finished model is worth: metrics with intervals on every held-out split, beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.engine.evaluation import run_model
from dianji.evaluate.baselines import fit_baseline
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.classes import per_class
from dianji.evaluate.metric import Estimate
from dianji.evaluate.outcome import Classified, Outcome, Tagged
from dianji.reporting import Reporter
from dianji.results import Metrics, metrics_to_json
from dianji.spec.sections import Evaluate
from dianji.tasks.base import Comparable, Task

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Measured:
    """Figures of one model."""

    metrics: Metrics
    baselines: Mapping[str, Metrics]
    classes: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]

    def to_json(self) -> dict[str, Any]:
        """``evidence/metrics.json``."""
        return {
            "metrics": metrics_to_json(self.metrics),
            "baselines": {name: metrics_to_json(of) for name, of in self.baselines.items()},
            "classes": dict(self.classes),
        }


@dataclass(frozen=True)
class Ruler:
    """How to measure: the task says what, the recipe how finely."""

    task: Task
    evaluate: Evaluate
    seed: int

    def estimate(self, outcome: Outcome) -> Mapping[str, Estimate]:
        """All of the task's metrics with their intervals."""
        return estimates(self.task.metrics, outcome, self.evaluate.resamples, self.seed)

    def outcome(self, model: Any, base: Base, examples: pa.Table, reporter: Reporter, title: str) -> Outcome:
        """What the model says of a split, in fp32, beside the truth."""
        with reporter.work(title, examples.num_rows, "rows") as meter:
            outputs = run_model(self.task, model, base, examples, self.seed, meter)
        return self.task.outcome(outputs, examples)

    def classes(self, outcome: Outcome) -> Mapping[str, Any]:
        """Precision, recall and the confusion matrix, where there are classes."""
        if not isinstance(outcome, Classified | Tagged):
            return {}
        return per_class(outcome, self.evaluate.resamples, self.seed)


def measure_model(
    ruler: Ruler, model: Any, base: Base, examples: Mapping[str, pa.Table], reporter: Reporter
) -> Measured:
    """Metrics, per-class figures and outcomes of every held-out split; no baselines yet."""
    outcomes = {
        split: ruler.outcome(model, base, examples[split], reporter, f"evaluating on {split}")
        for split in HELD_OUT
        if split in examples
    }
    classes = {split: ruler.classes(outcome) for split, outcome in outcomes.items()}
    return Measured(
        metrics={split: ruler.estimate(outcome) for split, outcome in outcomes.items()},
        baselines={},
        classes={split: found for split, found in classes.items() if found},
        outcomes=outcomes,
    )


def measure_baselines(ruler: Ruler, tables: Mapping[str, pa.Table], reporter: Reporter) -> Mapping[str, Metrics]:
    """The task's baselines, fitted on the same training rows and measured on the same held-out rows."""
    found: dict[str, Metrics] = {}
    if not ruler.evaluate.baselines:
        return found
    for name in ruler.task.baselines:
        task = cast(Comparable, ruler.task)  # a task that names baselines is one
        reporter.say(f"baseline {name}")
        train = tables["train"]
        predict = fit_baseline(name, task.baseline_inputs(train), task.baseline_targets(train), task.labels, ruler.seed)
        metrics: dict[str, Mapping[str, Estimate]] = {}
        for split in HELD_OUT:
            if split in tables:
                outcome = _outcome(task, tables[split], predict(task.baseline_inputs(tables[split])))
                metrics[split] = ruler.estimate(outcome)
        found[name] = metrics
    return found


def _outcome(task: Comparable, table: pa.Table, probabilities: np.ndarray) -> Outcome:
    target = task.baseline_targets(table)
    kind = Tagged if target.ndim == 2 else Classified
    return kind(task.labels, target, probabilities.astype(np.float32))
