"""Run what is missing: one stage after the other, each into its own step of the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from dianji.artefact.learnt import Evidence, Learnt
from dianji.artefact.manifest import NAME as MANIFEST
from dianji.artefact.manifest import Manifest, Parent, versions
from dianji.artefact.record import Record
from dianji.artefact.reproduce import FRESH
from dianji.artefact.save import count, draw_probe, keep_apart, merge, save, settle
from dianji.bases.base import Base
from dianji.bases.folder import FolderBase, open_folder
from dianji.bases.hub import HubBase
from dianji.data.content import examine
from dianji.data.report import with_token_lengths
from dianji.engine.clock import Clock
from dianji.engine.evaluation import Evaluator
from dianji.engine.frozen.state_store import StateStore
from dianji.engine.job import Job, Trained
from dianji.engine.learn import LearningPlan, learn
from dianji.engine.memory import peak_mb, reset_peak
from dianji.engine.processes import ALONE, Processes
from dianji.engine.profile import clocked
from dianji.engine.runtime import make_runtime
from dianji.engine.seeding import derive, seed_everything
from dianji.errors import StoreError
from dianji.pipeline.encoded import encoded, examples_digest, truncation_of, warnings_of
from dianji.pipeline.finished import stage_result
from dianji.pipeline.measure import Measured, Ruler, held_out, measure_baselines, measure_model
from dianji.pipeline.plan import Schedule, Work
from dianji.pipeline.quality import look_closer, quality_of
from dianji.pipeline.resource_forecast import announced
from dianji.registry import record_of
from dianji.reporting import Reporter
from dianji.results import Cost, RunResult, StageResult
from dianji.spec.sections import Recipe
from dianji.store.atomic import new_folder
from dianji.store.digest import digest_file
from dianji.store.steps import Store


def execute(
    schedule: Schedule,
    store: Store,
    reporter: Reporter,
    *,
    again: str | None = None,
    profiled: bool = False,
    processes: Processes = ALONE,
) -> RunResult:
    """Run every stage that is not done.

    Args:
        schedule: what to do.
        store: where it lies.
        reporter: hears how it goes.
        again: a stage to run although it is done.
        profiled: tell where the time of each stage that is run went, and trace some steps, in its folder.
        processes: that do the work together.
    """
    results = []
    for work in schedule.works:
        with processes.hold(work.step.locked()):
            reused = processes.on_main(_done, work, work.name == again)
            if reused:
                reporter.say(f"{work.name}: done before, reused ({work.step.digest[:12]})")
            else:
                for warning in (*work.data.warnings, *processes.on_main(look_closer, work, reporter)):
                    reporter.warn(warning)
                with clocked(work.step.profiles if profiled and processes.main else None) as clock:
                    _run(work, schedule.upto(work.name).filled(), store, reporter, _How(clock, processes))
            results.append(_result(work, reused))
    return RunResult(schedule.recipe.name, schedule.digest, tuple(results))


def _done(work: Work, again: bool) -> bool:
    if again:
        work.step.forget()
    return work.step.state == "done"


@dataclass(frozen=True)
class _How:
    """How a stage is run: who does it, and who looks at the clock."""

    clock: Clock
    processes: Processes


def _run(work: Work, filled: Recipe, store: Store, reporter: Reporter, how: _How) -> None:
    clock, processes = how.clock, how.processes
    processes.on_main(_begin, work, store)
    room = announced(work, reporter)
    reset_peak()
    with clock.phase("prepare"), processes.main_first():
        ready = _prepare(work, store, reporter)
    learnt, examples = ready.learnt, ready.examples
    parameters, trainable = count(learnt.model.model)
    for warning in warnings_of(examples, work.train):
        reporter.warn(f"{work.name}: {warning}")
    job = Job(
        name=work.name,
        task=learnt.task,
        base=learnt.base,
        model=learnt.model,
        adaptation=work.adaptation,
        techniques=work.techniques,
        train=work.train,
        examples=examples["train"],
        validation=examples.get("validation"),
        seed=work.seed,
    )
    tracked = tuple(work.stage.track)
    runtime = make_runtime(work.train.precision, track=tracked, folder=work.step.folder / "track", processes=processes)
    if tracked:
        runtime.accelerator.init_trackers(f"{work.recipe}-{work.name}")
    reporter.say(
        f"{work.name}: {examples['train'].num_rows} examples, {trainable:,} of {parameters:,} parameters learn, "
        f"on {runtime.describe()}{room}"
    )
    course = LearningPlan(work.to_the_optimum, ready.digests)
    trained = learn(job, course, runtime, work.step.folder, StateStore(store.cache, work.name, reporter), clock)
    if tracked:
        runtime.accelerator.end_training()
    samples_per_second = trained.samples / trained.seconds if trained.seconds else 0.0
    cost = Cost(trained.seconds, samples_per_second, peak_mb(), parameters, trainable)
    with clock.phase("finish"):
        processes.on_main(_conclude, work, filled, store, ready, trained, cost, reporter)


def _begin(work: Work, store: Store) -> None:
    FRESH.start()  # imports while training runs
    work.step.begin(work.spec)
    store.ledger.append("begin", **_identity(work), seed=work.seed, data=_data(work), parent=asdict(_parent(work)))


def _conclude(
    work: Work, filled: Recipe, store: Store, ready: _Ready, trained: Trained, cost: Cost, reporter: Reporter
) -> None:
    measured = _finish(work, filled, ready, trained, cost, reporter)
    # First the ledger: a step that is done is always known to it. After a kill in between it is noted twice.
    store.ledger.append("done", **_identity(work), artefact=digest_file(work.step.artefact / MANIFEST))
    work.step.finish({**measured.to_json(), "cost": asdict(cost)})


@dataclass(frozen=True)
class _Ready:
    """What a stage trains and measures: the fitted task with its model, and every split as examples."""

    learnt: Learnt
    examples: Mapping[str, pa.Table]
    digests: Mapping[str, str]  # of the examples


def _prepare(work: Work, store: Store, reporter: Reporter) -> _Ready:
    tables = work.data.splits
    task = work.task.fit(tables["train"])
    base = _base(work)
    # The head's first weights follow from the stage's seed and nothing else.
    seed_everything(derive(work.seed, 0))
    model = task.model(base)
    work.adaptation.attach(model)
    own = [] if base.folder is not None else [work.step.digest]
    examples, digests = {}, {}
    for split, table in tables.items():
        with reporter.work(f"encoding {split}", table.num_rows, "rows") as meter:
            key = [work.parent_digest, work.spec["data"]["digest"], work.stage.data, split, *own]
            digests[split] = examples_digest(task, [*key, repr(sorted(work.spec["data"].items()))])
            examples[split] = encoded(store, task, base, table, digests[split], meter)
    return _Ready(Learnt(task, base, model, work.adaptation), examples, digests)


def _base(work: Work) -> Base:
    if work.parent is not None:
        folder = work.parent.step.artefact
        found = FolderBase(folder)
        card = dataclasses.replace(work.card, labels=found.card().labels)
        return open_folder(folder, card)
    if work.source is None:
        raise StoreError(f"stage {work.name} has neither a base nor an earlier stage")
    kept = work.step.folder / "base"
    if kept.is_dir():  # a resumed run must not fit its tokenizer again
        return dataclasses.replace(open_folder(kept, work.card), folder=None)
    base = work.source.prepare(work.data.to_fit())
    if base.folder is None:
        with new_folder(kept) as folder:
            base.config.save_pretrained(folder)
            base.processor.save_pretrained(folder)
    return base


def _finish(work: Work, filled: Recipe, ready: _Ready, trained: Trained, cost: Cost, reporter: Reporter) -> Measured:
    """Merge, measure, save, and have a fresh process agree."""
    learnt, examples, tables = ready.learnt, ready.examples, work.data.splits
    adapter = work.step.folder / "adapter"
    settle(learnt)
    keep_apart(learnt, adapter, _place_of_base(work, learnt.base))
    rows = None if work.stage.probe == "synthetic" else tables.get("validation", tables["train"])
    probe = draw_probe(learnt, rows, work.seed)
    merge(learnt)
    ruler = Ruler(learnt.task, work.stage.evaluate, work.seed)
    evaluator = Evaluator(learnt.task, learnt.model.model, learnt.base, work.seed)
    measured = measure_model(ruler, evaluator, held_out(tables, examples), reporter)
    measured = dataclasses.replace(measured, baselines=measure_baselines(ruler, tables, reporter))
    lengths = {split: table["length"].to_numpy() for split, table in examples.items()}
    documents = {
        "metrics": measured.to_json(),
        "data": {**with_token_lengths(work.data.report, lengths), "cut": truncation_of(examples)},
        "quality": quality_of(work),
        "cost": asdict(cost),
        "spec": work.spec,
        "lineage": work.ancestors(),
        "recipe": filled.to_json(),
    }
    records = {
        split: Record(outcome, examine(tables[split], learnt.task.columns).order)
        for split, outcome in measured.outcomes.items()
    }
    evidence = Evidence(documents, records, work.step.folder / "events.jsonl")
    manifest = _manifest(work, learnt, trained)
    difference = save(work.step.artefact, learnt, probe=probe, adapter=adapter, manifest=manifest, evidence=evidence)
    reporter.say(f"{work.name}: saved; a fresh process reproduces its probe (largest difference {difference:.1e})")
    return measured


def _identity(work: Work) -> dict[str, str]:
    return {"recipe": work.recipe, "stage": work.name, "step": work.step.digest}


def _parent(work: Work) -> Parent:
    kind, name = ("stage", work.parent.name) if work.parent else ("base", work.card.name)
    return Parent(kind, name, work.parent_digest)


def _place_of_base(work: Work, base: Base) -> str:
    """Where others find what the stage started from: a Hub id, or a path; empty for a base that was drawn anew."""
    if work.parent is not None:
        return str(work.parent.step.link())
    if isinstance(work.source, HubBase):
        return work.source.name
    return "" if base.folder is None else str(base.folder.absolute())


def _data(work: Work) -> dict[str, str]:
    return {work.stage.data: str(work.spec["data"]["digest"])}


def _manifest(work: Work, learnt: Learnt, trained: Trained) -> Manifest:
    return Manifest(
        recipe=work.recipe,
        stage=work.name,
        digest=work.step.digest,
        seed=work.seed,
        task=record_of(learnt.task),
        adaptation=record_of(work.adaptation),
        techniques=[record_of(technique) for technique in work.techniques],
        base={**asdict(work.card), "languages": list(work.card.languages), "labels": list(work.card.labels)},
        parents=[_parent(work)],
        data=_data(work),
        training=trained.to_json(),
        versions=versions(),
        columns=dict(work.spec["data"]["columns"]),
    )


def _result(work: Work, reused: bool) -> StageResult:
    warnings = (*work.data.warnings, *quality_of(work).get("warnings", ()))
    return stage_result(work.step, work.name, work.task.metrics[0], warnings, reused=reused)


def artefact_of(result: RunResult) -> Path:
    """Of the last stage."""
    return result.stages[-1].artefact
