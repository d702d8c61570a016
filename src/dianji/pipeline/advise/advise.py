"""Advises a base and a way of tuning: candidates are timed, ranked, and compared with a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from dianji.advice import Advice, Forecast, Knowledge, Machine, Option
from dianji.bases.resolve import resolve
from dianji.data.inspect import Inspection
from dianji.engine.runtime import choose_precision
from dianji.errors import CapabilityError, DianjiError
from dianji.messages import Message
from dianji.pipeline import sketch
from dianji.pipeline.advise.candidates import Candidate, candidates
from dianji.pipeline.advise.knowledge import knowledge
from dianji.pipeline.advise.ranking import DataFacts, ranking_key
from dianji.pipeline.advise.trial import Device, Trial, trial
from dianji.pipeline.plan import Schedule, schedule
from dianji.pipeline.plan_data import DataCache
from dianji.reporting import Reporter
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

#: Epochs are reduced to this share at most to fit a budget in time; with fewer, the ranking would not hold.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Budget:
    """The limits of a run, and its device. None: no limit in time; the free memory."""

    minutes: float | None = None
    memory_gb: float | None = None
    device: Device = "auto"


@dataclass(frozen=True)
class _Planned:
    """A candidate with its resolved recipe."""

    candidate: Candidate
    recipe: Mapping[str, Any]
    schedule: Schedule


def advise(
    seen: Inspection, store: Store, budget: Budget, reporter: Reporter, *, bases: Sequence[str] = (), recipe: Path
) -> Advice:
    """Time every candidate and rank them.

    Args:
        seen: the data.
        store: its own pre-trained models are candidates too.
        budget: the limits of a run.
        reporter: receives messages and progress.
        bases: only these (registered names, folders, Hub ids), and no new networks.
        recipe: where the recipe is to lie; its paths are taken from there.

    Raises:
        CapabilityError: there is no such device.
        BaseError: a base that was named is unknown or damaged.
        DataError: there is nothing to learn from.
        RecipeError: the rows cannot be read or divided.
    """
    machine = _machine(budget)
    found = candidates(seen, store, bases)
    section = sketch.data_section(seen, recipe)
    if (
        sketch.asks(seen) and "text" not in section["columns"]
    ):  # for candidates that learn the language of the texts first
        section = {**section, "columns": {**section["columns"], "text": seen.text}}
    data_cache = DataCache()
    planned: list[_Planned] = []
    faults: dict[str, DianjiError] = {}
    for candidate in found.candidates:
        written = candidate.recipe(sketch.project_name(seen), section)
        parsed = Recipe.parse(written, folder=recipe.absolute().parent)
        try:
            planned.append(_Planned(candidate, written, schedule(parsed, store, data_cache)))
        except DianjiError as error:
            faults[candidate.name] = error
    if not planned:  # the fault is in the rows, or in every candidate
        raise next(iter(faults.values()))
    known = _known(planned, reporter)
    rows = _rows(seen, planned[0])
    options: list[tuple[tuple[float, ...], Option]] = []
    with reporter.work("timing a little of each candidate", len(planned), "candidates") as meter:
        for plan in planned:
            place, reasons = ranking_key(plan.candidate, rows, known.get(plan.candidate.card.name))
            option = _timed(plan, budget, machine, reasons)
            options.append(((float(not option.fits), *place), option))
            meter.advance()
    return Advice(
        data=seen.path,
        rows=seen.rows,
        facts=_facts(seen, rows),
        machine=machine,
        options=tuple(option for _, option in sorted(options, key=lambda pair: pair[0])),
        rule=Message("advice.rule"),
        knowledge=known,
        notes=tuple(
            Message("advice.left-out", {"candidate": name, "reason": str(reason)})
            for name, reason in {**found.unusable, **faults}.items()
        ),
    )


def _machine(budget: Budget) -> Machine:
    cuda = torch.cuda.is_available() and budget.device != "cpu"
    if budget.device == "cuda" and not cuda:
        raise CapabilityError("--device cuda: torch finds no GPU here. Use --device cpu, or leave it out.")
    if cuda:
        free, _ = torch.cuda.mem_get_info()
        description = f"{torch.cuda.get_device_name()}, {choose_precision('auto')}"
    else:
        free = psutil.virtual_memory().available
        description = f"cpu, {choose_precision('auto')}, {torch.get_num_threads()} threads"
    return Machine(description, round(budget.memory_gb or free / 2**30, 1))


def _known(planned: Sequence[_Planned], reporter: Reporter) -> dict[str, Knowledge]:
    """The knowledge of each pre-trained base about the labels, by the name of its card."""
    found: dict[str, Knowledge] = {}
    for plan in planned:
        candidate, work = plan.candidate, plan.schedule.works[-1]
        if candidate.card.pretrained and candidate.card.name not in found and isinstance(candidate.base, str):
            source = resolve(candidate.base, work.task.modality)
            try:
                measured = knowledge(work.task, source, work.data.splits["train"], reporter)
            except DianjiError:
                continue  # its trials fail for the same reason, and tell it
            if measured is not None:
                found[candidate.card.name] = measured
    return found


def _timed(plan: _Planned, budget: Budget, machine: Machine, reasons: Sequence[Message]) -> Option:
    """The candidate with its forecast; with fewer epochs where the budget requires it."""
    candidate = plan.candidate
    option = Option(candidate.name, candidate.base, candidate.adapt, plan.recipe, tuple(reasons))
    try:
        trials = [trial(work, candidate.base, budget.device) for work in plan.schedule.works]
    except DianjiError as error:
        return replace(option, obstacle=Message("advice.trial-failed", {"error": str(error)}))
    option = replace(option, forecast=_forecast(plan, trials))
    if budget.minutes is not None:
        option = _shortened(option, plan, trials, 60 * budget.minutes)
    forecast = option.forecast
    if forecast is not None and option.obstacle is None and forecast.peak_memory_mb > machine.memory_gb * 1024:
        sizes = {"needed": forecast.peak_memory_mb / 1024, "memory": machine.memory_gb}
        return replace(option, obstacle=Message("advice.too-large", sizes))
    return option


def _shortened(option: Option, plan: _Planned, trials: Sequence[Trial], seconds: float) -> Option:
    needed = sum(one.seconds for one in trials)
    if needed <= seconds:
        return option
    if plan.schedule.works[-1].to_the_optimum:  # it has no epochs, and with some it would be another candidate
        return replace(option, obstacle=_too_slow(needed, seconds))
    last, epochs = trials[-1], plan.schedule.works[-1].train.epochs or 1.0
    one_time = needed - last.epochs_seconds
    possible = int((seconds - one_time) / last.epochs_seconds * epochs)
    if possible < max(1.0, LEAST_SHARE * epochs):
        return replace(option, obstacle=_too_slow(needed, seconds))
    name = list(plan.recipe["stages"])[-1]
    stage = plan.recipe["stages"][name]
    shorter = {**stage, "train": {**stage.get("train", {}), "epochs": possible}}
    recipe = {**plan.recipe, "stages": {**plan.recipe["stages"], name: shorter}}
    reason = Message("advice.shortened", {"epochs": possible, "instead_of": epochs, "minutes": seconds / 60})
    forecast = _forecast(plan, [*trials[:-1], last.shortened(possible / epochs)])
    return replace(option, recipe=recipe, reasons=(*option.reasons, reason), forecast=forecast)


def _too_slow(needed: float, seconds: float) -> Message:
    return Message("advice.too-slow", {"needed": needed / 60, "minutes": seconds / 60})


def _forecast(plan: _Planned, trials: Sequence[Trial]) -> Forecast:
    last = trials[-1]
    return Forecast(
        seconds=sum(one.seconds for one in trials),
        stage_seconds={work.name: one.train_seconds for work, one in zip(plan.schedule.works, trials, strict=True)},
        samples_per_second=last.samples_per_second,
        peak_memory_mb=max(one.peak_memory_mb for one in trials),
        steps=last.steps,
        parameters=last.parameters,
        trained_parameters=last.trained_parameters,
    )


def _rows(seen: Inspection, plan: _Planned) -> DataFacts:
    train = plan.schedule.works[-1].data.splits["train"].num_rows
    counts = seen.column(seen.label).counts if seen.label is not None else {}
    return DataFacts(train, len(counts), sketch.modality(seen), sketch.language(seen))


def _facts(seen: Inspection, rows: DataFacts) -> dict[str, str]:
    """A description of the data."""
    facts = {"kind": rows.modality, "training rows": f"{rows.train:,}"}
    if rows.labels:
        facts["labels"] = f"{rows.labels:,}, {rows.per_label:,.0f} rows each on average"
    if sketch.measures(seen):
        facts["numbers"] = f"{seen.number}, {seen.column(str(seen.number)).distinct:,} different ones"
    if rows.modality == "text":
        lengths = seen.column(str(seen.text or seen.tokens)).characters
        facts["lengths"] = f"median {lengths['median']:,.0f} characters, 95 % below {lengths['p95']:,.0f}"
        facts["language"] = ", ".join(f"{code} {share:.0%}" for code, share in seen.languages[:3]) or "not recognised"
    else:
        sizes = seen.column(str(seen.image)).values["sizes"]
        facts["sizes"] = ", ".join(f"{size} ({count:,})" for size, count in list(sizes.items())[:3])
    return facts
