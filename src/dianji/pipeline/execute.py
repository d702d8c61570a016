"""Runs the missing stages, one after the other, each into its own step of the store."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from pathlib import Path

from dianji.artefact.learnt import Learnt
from dianji.artefact.manifest import NAME as MANIFEST
from dianji.artefact.manifest import PARTS
from dianji.artefact.reproduce import FRESH
from dianji.artefact.save import count
from dianji.bases.base import Base
from dianji.bases.folder import FolderBase, open_folder
from dianji.engine.clock import Clock
from dianji.engine.job import Trained
from dianji.engine.memory import peak_mb, reset_peak
from dianji.engine.processes import ALONE, Processes
from dianji.engine.profile import clocked
from dianji.engine.runtime import make_runtime
from dianji.engine.seeding import derive, seed_everything
from dianji.errors import StoreError
from dianji.pipeline.encoded import encoded, examples_digest, warnings_of
from dianji.pipeline.finish import finish
from dianji.pipeline.finished import stage_result
from dianji.pipeline.identity import data_of, folder_of, parent_of, sections_of
from dianji.pipeline.plan import Schedule, Work
from dianji.pipeline.quality import warnings_of_quality, write_quality_report
from dianji.pipeline.ready import Ready
from dianji.pipeline.resource_forecast import memory_note
from dianji.pipeline.rounds import Place, run_rounds
from dianji.pipeline.unknown import unknown_warnings
from dianji.reporting import Reporter
from dianji.results import Cost, RunResult, StageResult
from dianji.spec.sections import Recipe
from dianji.store.atomic import new_folder
from dianji.store.digest import digest_file, digest_value
from dianji.store.steps import Store


def execute(
    schedule: Schedule,
    store: Store,
    reporter: Reporter,
    *,
    again: str | None = None,
    before: RunResult | None = None,
    profiled: bool = False,
    processes: Processes = ALONE,
) -> RunResult:
    """Run every stage that is not done.

    Args:
        schedule: the stages to run.
        store: where it lies.
        reporter: receives messages and progress.
        again: a stage to run although it is done.
        before: results of stages that were run just now; they are taken over.
        profiled: measure the time of each stage by phases, and trace some steps, in its folder.
        processes: that do the work together.
    """
    results = []
    known = {} if before is None else {stage.name: stage for stage in before.stages}
    for work in schedule.works:
        if work.name in known:
            results.append(known[work.name])
            continue
        with processes.hold(work.step.locked()):
            reused = processes.on_main(_done, work, work.name == again)
            if reused:
                reporter.say(f"{work.name}: done before, reused ({work.step.digest[:12]})")
            else:
                for warning in (*work.data.warnings, *processes.on_main(write_quality_report, work, reporter)):
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
    """The processes and the clock of a stage's run."""

    clock: Clock
    processes: Processes


def _run(work: Work, filled: Recipe, store: Store, reporter: Reporter, how: _How) -> None:
    clock, processes = how.clock, how.processes
    processes.on_main(_begin, work, store)
    memory = memory_note(work, reporter)
    reset_peak()
    with clock.phase("prepare"), processes.main_first():
        ready = _prepare(work, store, reporter)
    learnt, examples = ready.learnt, ready.examples
    parameters, trainable = count(learnt.model.model)
    for warning in warnings_of(learnt.task, examples, work.train):
        reporter.warn(f"{work.name}: {warning}")
    for warning in unknown_warnings(work, learnt, examples):
        reporter.warn(warning)
    tracked = tuple(work.stage.track)
    runtime = make_runtime(work.train.precision, track=tracked, folder=work.step.folder / "track", processes=processes)
    if tracked:
        runtime.accelerator.init_trackers(f"{work.recipe}-{work.name}")
    reporter.say(
        f"{work.name}: {examples['train'].num_rows} examples, {trainable:,} of {parameters:,} parameters learn, "
        f"on {runtime.describe()}{memory}"
    )
    trained = run_rounds(work, ready, Place(runtime, store, reporter, clock))
    if tracked:
        runtime.accelerator.end_training()
    samples_per_second = trained.samples / trained.seconds if trained.seconds else 0.0
    cost = Cost(trained.seconds, samples_per_second, peak_mb(), parameters, trainable)
    with clock.phase("finish"):
        processes.on_main(_conclude, work, filled, store, ready, trained, cost, reporter)


def _begin(work: Work, store: Store) -> None:
    FRESH.start()  # imports while training runs
    work.step.begin(work.spec)
    store.ledger.append("begin", **_identity(work), seed=work.seed, data=data_of(work), parent=asdict(parent_of(work)))


def _conclude(
    work: Work, filled: Recipe, store: Store, ready: Ready, trained: Trained, cost: Cost, reporter: Reporter
) -> None:
    measured = finish(work, filled, ready, trained, cost, reporter)
    # First the ledger: a step that is done is always known to it. After a kill in between it is noted twice.
    store.ledger.append("done", **_identity(work), artefact=digest_file(work.step.artefact / MANIFEST), **_parts(work))
    work.step.finish({**measured.to_json(), "cost": asdict(cost)})


def _prepare(work: Work, store: Store, reporter: Reporter) -> Ready:
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
            key = [work.parent_digest, digest_value(work.spec["data"]), *sections_of(work), split, *own]
            digests[split] = examples_digest(task, key)
            examples[split] = encoded(store, task, base, table, digests[split], meter)
    return Ready(Learnt(task, base, model, work.adaptation), examples, digests)


def _base(work: Work) -> Base:
    if work.parent is not None:
        folder = folder_of(work.parent, work.task)
        found = FolderBase(folder)
        own = found.card()
        card = dataclasses.replace(work.card, labels=own.labels, prompts=own.prompts)
        return open_folder(folder, card)
    if work.source is None:
        raise StoreError(f"stage {work.name} has neither a base nor an earlier stage")
    kept = work.step.folder / "base"
    if kept.is_dir():  # a resumed run must not fit its tokenizer again
        return dataclasses.replace(open_folder(kept, work.card), folder=None)
    base = work.source.prepare(work.task.corpus(work.data.to_fit()))
    if base.folder is None:
        with new_folder(kept) as folder:
            base.config.save_pretrained(folder)
            base.save_processor(folder)
    return base


def _parts(work: Work) -> dict[str, dict[str, str]]:
    """The manifests of a stage's parts, where it has several."""
    if work.stage.parts is None:
        return {}
    folder = work.step.artefact / PARTS
    return {"parts": {part: digest_file(folder / part / MANIFEST) for part in work.parts}}


def _identity(work: Work) -> dict[str, str]:
    return {"recipe": work.recipe, "stage": work.name, "step": work.step.digest}


def _result(work: Work, reused: bool) -> StageResult:
    warnings = (*work.data.warnings, *warnings_of_quality(work))
    return stage_result(work.step, work.name, work.task.metrics[0], warnings, reused=reused)


def artefact_of(result: RunResult) -> Path:
    """The artefact of the last stage."""
    return result.stages[-1].artefact
