"""Metrics with intervals on every held-out split, beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from dianji.bases.base import Base
from dianji.data.source import units
from dianji.engine.evaluation import Evaluator
from dianji.errors import CapabilityError
from dianji.evaluate.baseline import Baseline
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.classes import per_class
from dianji.evaluate.joint import SEPARATOR
from dianji.evaluate.metric import Estimate, signatures
from dianji.evaluate.outcome import Outcome
from dianji.registry import REGISTRY
from dianji.reporting import Reporter
from dianji.results import Metrics, metrics_to_json
from dianji.spec.sections import Evaluate
from dianji.tasks.base import Task

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Measured:
    """Figures of one model."""

    metrics: Metrics
    baselines: Mapping[str, Metrics]
    classes: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]
    #: How metrics were counted, by metric; only of those that say it.
    signatures: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def together(cls, parts: Mapping[str, Measured]) -> Measured:
        """The figures of several parts, each under ``part/name``."""
        metrics: dict[str, dict[str, Estimate]] = {}
        baselines: dict[str, dict[str, dict[str, Estimate]]] = {}
        classes: dict[str, Any] = {}
        signatures: dict[str, str] = {}
        for part, of in parts.items():
            _gather(metrics, of.metrics, part)
            for name, figures in of.baselines.items():
                _gather(baselines.setdefault(f"{part}{SEPARATOR}{name}", {}), figures, part)
            classes |= {f"{part}{SEPARATOR}{split}": found for split, found in of.classes.items()}
            signatures |= {f"{part}{SEPARATOR}{name}": text for name, text in of.signatures.items()}
        return cls(metrics, baselines, classes, {}, signatures)

    def to_json(self) -> dict[str, Any]:
        """``evidence/metrics.json``."""
        return {
            "metrics": metrics_to_json(self.metrics),
            "baselines": {name: metrics_to_json(of) for name, of in self.baselines.items()},
            "classes": dict(self.classes),
            **({"signatures": dict(self.signatures)} if self.signatures else {}),
        }


def _gather(whole: dict[str, dict[str, Estimate]], of: Metrics, part: str) -> None:
    for split, figures in of.items():
        named = {f"{part}{SEPARATOR}{name}": estimate for name, estimate in figures.items()}
        whole.setdefault(split, {}).update(named)


@dataclass(frozen=True)
class Split:
    """Held-out rows, as they are and as examples."""

    name: str
    rows: pa.Table
    examples: pa.Table


@dataclass(frozen=True)
class Ruler:
    """How to measure: the task names the metrics, the recipe the number of resamples."""

    task: Task
    evaluate: Evaluate
    seed: int

    def estimate(self, outcome: Outcome) -> Mapping[str, Estimate]:
        """All of the task's metrics with their intervals."""
        return estimates(self.task.metrics, outcome, self.evaluate.resamples, self.seed)

    def outcome(self, evaluator: Evaluator, split: Split, reporter: Reporter) -> Outcome:
        """The model's answers to a split, in fp32, beside the truth; rows of one group are one resampling unit."""
        with reporter.work(f"evaluating on {split.name}", split.examples.num_rows, "rows") as meter:
            outcome = evaluator.outcome(split.examples, self.task.measured_for, meter)
        return replace(outcome, units=units(split.rows))

    def classes(self, outcome: Outcome) -> Mapping[str, Any]:
        """Precision, recall and the confusion matrix, where there are labels."""
        return per_class(outcome, self.evaluate.resamples, self.seed)


def held_out(tables: Mapping[str, pa.Table], examples: Mapping[str, pa.Table]) -> list[Split]:
    """The splits that are measured."""
    return [Split(name, tables[name], examples[name]) for name in HELD_OUT if name in examples]


def measure_model(ruler: Ruler, evaluator: Evaluator, splits: list[Split], reporter: Reporter) -> Measured:
    """Metrics, per-class figures and outcomes of every held-out split; no baselines yet."""
    outcomes = {split.name: ruler.outcome(evaluator, split, reporter) for split in splits}
    classes = {split: ruler.classes(outcome) for split, outcome in outcomes.items()}
    return Measured(
        metrics={split: ruler.estimate(outcome) for split, outcome in outcomes.items()},
        baselines={},
        classes={split: found for split, found in classes.items() if found},
        outcomes=outcomes,
        signatures={
            name: text
            for outcome in outcomes.values()
            for name, text in signatures(ruler.task.metrics, outcome).items()
        },
    )


def measure_baselines(
    ruler: Ruler, base: Base, tables: Mapping[str, pa.Table], reporter: Reporter
) -> Mapping[str, Metrics]:
    """The task's baselines, fitted on the same training rows and measured on the same held-out rows.

    Args:
        ruler: names them.
        base: that the stage starts from.
        tables: the splits.
        reporter: hears how it goes.

    Raises:
        CapabilityError: a baseline gives outcomes that a metric of the task does not read.
    """
    found: dict[str, Metrics] = {}
    if not ruler.evaluate.baselines:
        return found
    for name in ruler.task.baselines:
        baseline: Baseline = REGISTRY.build("baseline", name, {})
        answer = baseline.fit(ruler.task.comparable(base), tables["train"], ruler.seed)
        if answer is None:
            continue
        reporter.say(f"baseline {name}")
        metrics: dict[str, Mapping[str, Estimate]] = {}
        for split in HELD_OUT:
            if split in tables:
                outcome = replace(answer(tables[split]), units=units(tables[split]))
                metrics[split] = _estimated(ruler, name, outcome)
        found[name] = metrics
    return found


def _estimated(ruler: Ruler, name: str, outcome: Outcome) -> Mapping[str, Estimate]:
    for metric in ruler.task.metrics:
        if not isinstance(outcome, REGISTRY.get("metric", metric).outcomes):
            raise CapabilityError(
                f"baseline {name} gives {type(outcome).__name__}, which metric {metric} does not read. "
                "Name another baseline in the task."
            )
    return ruler.estimate(outcome)
