"""Runs a comparison: the missing variants and seeds, then the differences and the recommendation.

Finished steps are found by digest: an interrupted comparison is resumed, and steps that variants share run once. All
variants run with the first seed, then with the second, so that a temporary disturbance of the machine affects all of
them alike, and a variant that fails does so early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from dianji.artefact.record import Record
from dianji.comparison import Comparison, Difference, VariantCost, VariantResult
from dianji.errors import DianjiError, TrainingError
from dianji.evaluate.metric import Metric
from dianji.evaluate.paired import LEAST_ROWS
from dianji.evaluate.replicates import Seen
from dianji.messages import Message
from dianji.pipeline import serving
from dianji.pipeline.comparison_plan import Compared, ComparisonPlan, VariantPlan
from dianji.pipeline.execute import execute
from dianji.pipeline.verdict import RESAMPLES, Finished, MetricVerdict
from dianji.registry import REGISTRY
from dianji.reporting import Meter, Reporter
from dianji.results import Cost
from dianji.store.atomic import write_json
from dianji.store.digest import digest_value
from dianji.store.steps import Store

FORMAT = 2
ENOUGH_SEEDS = 3


def compare(planned: ComparisonPlan, store: Store, reporter: Reporter) -> Comparison:
    """Run every variant that is not done, judge them, and keep the result in the store.

    A variant that fails is reported, and the others finish.

    Raises:
        TrainingError: all of them failed.
        StoreError: the result cannot be written.
    """
    failures = _run(planned, store, reporter)
    finished: list[Finished] = []
    for variant in planned.variants:
        if variant.name not in failures:
            try:
                finished.append(_finished(variant, planned.split))
            except DianjiError as error:  # its stored files are damaged
                failures[variant.name] = str(error)
    if not finished:
        listed = "\n".join(f"  {name}: {failure}" for name, failure in failures.items())
        raise TrainingError(f"every variant of the comparison failed:\n{listed}\nRepair the recipe and run it again.")
    result = _judged(planned, MetricVerdict.of(_metric(planned), finished, planned.recipe.seed), failures)
    write_json(store.comparison(result.digest), result.to_json())
    return result


def digest_of(planned: ComparisonPlan) -> str:
    """The digest of a comparison: of every compared step, and of the method."""
    steps = [[variant.name, *(work.step.digest for work in variant.works)] for variant in planned.variants]
    part = {variant.part for variant in planned.variants} - {None}
    return digest_value([FORMAT, planned.split, planned.metric, RESAMPLES, steps, *part])


def _run(planned: ComparisonPlan, store: Store, reporter: Reporter) -> dict[str, str]:
    """Execute the missing steps; returns name -> failure."""
    failures: dict[str, str] = {}
    said: set[str] = set()
    for number, seed in enumerate(planned.seeds):
        for variant in planned.variants:
            if variant.name in failures:
                continue
            try:
                execute(
                    variant.schedules[number], store, _VariantReporter(reporter, f"{variant.name}, seed {seed}", said)
                )
            except (DianjiError, MemoryError, RuntimeError) as error:  # torch's own faults are RuntimeErrors
                kind = "" if isinstance(error, DianjiError) else f"{type(error).__name__}: "
                failures[variant.name] = f"with seed {seed}: {kind}{error}"
                reporter.warn(f"'{variant.name}' failed {failures[variant.name]}; the others go on")
    return failures


def _finished(variant: VariantPlan, split: str) -> Finished:
    models = tuple(_seen(variant.compared(work), split) for work in variant.works)
    costs = [Cost(**work.step.metrics()["cost"]) for work in variant.works]
    step, artefact = variant.works[0].step, variant.compared(variant.works[0]).artefact
    cost = VariantCost(
        parameters=costs[0].parameters,
        trained_parameters=costs[0].trainable_parameters,
        train_seconds=sum(cost.train_seconds for cost in costs) / len(costs),
        peak_memory_mb=max(cost.peak_memory_mb for cost in costs),
        milliseconds=serving.milliseconds(step, artefact),
        bytes=serving.size(step),
    )
    return Finished(variant.name, models, cost, step.artefact)


def _seen(compared: Compared, split: str) -> Seen:
    kinds = [kind for name in compared.task.metrics for kind in REGISTRY.get("metric", name).outcomes]
    record = Record.read(compared.artefact / "evidence", split, kinds)
    return Seen(record.outcome, record.rows)


def _metric(planned: ComparisonPlan) -> Metric:
    metric: Metric = REGISTRY.build("metric", planned.metric, {})
    return metric


def _judged(planned: ComparisonPlan, verdict: MetricVerdict, failures: Mapping[str, str]) -> Comparison:
    against_best = verdict.against(verdict.best)
    return Comparison(
        recipe=planned.recipe.name,
        digest=digest_of(planned),
        metric=planned.metric,
        higher_is_better=verdict.metric.higher_is_better,
        split=planned.split,
        rows=verdict.rows,
        seeds=planned.seeds,
        variants=tuple(_results(planned, verdict, against_best, failures)),
        recommendation=verdict.recommend(against_best),
        notes=tuple(_notes(planned, verdict)),
    )


def _results(
    planned: ComparisonPlan, verdict: MetricVerdict, against_best: Mapping[str, Difference], failures: Mapping[str, str]
) -> Iterator[VariantResult]:
    costs = {variant.name: variant.cost for variant in verdict.finished}
    against_first = verdict.against(verdict.finished[0])
    for variant in planned.variants:
        name, steps = variant.name, [work.step for work in variant.works]
        artefacts = tuple(step.artefact for step in steps if step.state == "done")
        row = VariantResult(name, variant.works[0].name, tuple(step.digest for step in steps), artefacts)
        if name in failures:
            yield replace(row, failure=failures[name])
            continue
        found = verdict.replicates[name]
        yield replace(
            row,
            score=found.estimate(verdict.rows),
            values=tuple(found.plain.tolist()),
            cost=costs[name],
            against_first=against_first.get(name),
            against_best=against_best.get(name),
        )


def _notes(planned: ComparisonPlan, verdict: MetricVerdict) -> Iterator[Message]:
    """The limits of the comparison."""
    first, reference = planned.variants[0].name, verdict.finished[0].name
    seeds = len(planned.seeds)
    if reference != first:
        yield Message("comparison.first-failed", {"failed": first, "reference": reference})
    if planned.split != "test":
        yield Message("comparison.no-test-rows", {"split": planned.split})
    if verdict.rows < LEAST_ROWS:
        yield Message("comparison.few-rows", {"rows": verdict.rows, "split": planned.split, "least": LEAST_ROWS})
    if planned.parts:
        part, *others = planned.parts
        yield Message("comparison.part", {"part": part, "others": ", ".join(others)})
    if len(verdict.finished) == 1:
        yield Message("comparison.one-finished", {"variant": reference})
    if seeds == 1:
        yield Message("comparison.one-seed", {"enough": ENOUGH_SEEDS})
    elif seeds < ENOUGH_SEEDS:
        yield Message("comparison.few-seeds", {"seeds": seeds, "enough": ENOUGH_SEEDS})
    if any(work.parent for variant in planned.variants for work in variant.works):
        yield Message("comparison.shared-stages")
    measured = {"counted": serving.COUNTED, "warm_up": serving.WARM_UP, "threads": serving.THREADS}
    yield Message("comparison.milliseconds", measured)


@dataclass
class _VariantReporter:
    """A reporter that names the variant and the seed; a message about a shared step or data is passed on once."""

    reporter: Reporter
    name: str
    said: set[str] = field(default_factory=set)

    def say(self, message: str) -> None:
        if self._new(message):
            self.reporter.say(f"{self.name}: {message}")

    def warn(self, message: str) -> None:
        if self._new(message):
            self.reporter.warn(message)

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        with self.reporter.work(f"{self.name}: {title}", total, unit, done) as meter:
            yield meter

    def _new(self, message: str) -> bool:
        new = message not in self.said
        self.said.add(message)
        return new
