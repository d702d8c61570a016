"""Which base and which way of tuning to begin with: candidates are timed, and ranked by what is known of them."""

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
from dianji.pipeline import sketch
from dianji.pipeline.candidates import Candidate, candidates
from dianji.pipeline.knowledge import knowledge
from dianji.pipeline.merit import RULE, Rows, judge
from dianji.pipeline.plan import Schedule, Shelf, schedule
from dianji.pipeline.trial import Device, Trial, trial
from dianji.reporting import Reporter
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

#: Epochs are cut down to a budget in time by so much at most; with fewer, a candidate is not what it was judged as.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Budget:
    """What a run may cost, and on what it runs. None: as long as it takes; as much memory as is free."""

    minutes: float | None = None
    memory_gb: float | None = None
    device: Device = "auto"


@dataclass(frozen=True)
class _Planned:
    """A candidate as a recipe that was resolved."""

    candidate: Candidate
    recipe: Mapping[str, Any]
    schedule: Schedule


def advise(
    seen: Inspection, store: Store, budget: Budget, reporter: Reporter, *, bases: Sequence[str] = (), recipe: Path
) -> Advice:
    """Time every candidate and rank them.

    Args:
        seen: the data.
        store: whose own pre-trained models count as bases at hand.
        budget: what a run may cost.
        reporter: hears how it goes.
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
    shelf = Shelf()
    planned: list[_Planned] = []
    faults: dict[str, DianjiError] = {}
    for candidate in found.candidates:
        written = candidate.recipe(sketch.project_name(seen), section)
        parsed = Recipe.parse(written, folder=recipe.absolute().parent)
        try:
            planned.append(_Planned(candidate, written, schedule(parsed, store, shelf)))
        except DianjiError as error:
            faults[candidate.name] = error
    if not planned:  # what is wrong is wrong with the rows, or with all that was asked for
        raise next(iter(faults.values()))
    known = _known(planned, reporter)
    rows = _rows(seen, planned[0])
    options: list[tuple[tuple[float, ...], Option]] = []
    with reporter.work("timing a little of each candidate", len(planned), "candidates") as meter:
        for plan in planned:
            place, reasons = judge(plan.candidate, rows, known.get(plan.candidate.card.name))
            option = _timed(plan, budget, machine, reasons)
            options.append(((float(not option.fits), *place), option))
            meter.advance()
    return Advice(
        data=seen.path,
        rows=seen.rows,
        facts=_facts(seen, rows),
        machine=machine,
        options=tuple(option for _, option in sorted(options, key=lambda pair: pair[0])),
        rule=RULE,
        knowledge=known,
        notes=tuple(f"'{name}' was left out: {why}" for name, why in {**found.unusable, **faults}.items()),
    )


def _machine(budget: Budget) -> Machine:
    cuda = torch.cuda.is_available() and budget.device != "cpu"
    if budget.device == "cuda" and not cuda:
        raise CapabilityError("--device cuda: torch finds no GPU here. Use --device cpu, or leave it out.")
    if cuda:
        free, _ = torch.cuda.mem_get_info()
        told = f"{torch.cuda.get_device_name()}, {choose_precision('auto')}"
    else:
        free = psutil.virtual_memory().available
        told = f"cpu, {choose_precision('auto')}, {torch.get_num_threads()} threads"
    return Machine(told, round(budget.memory_gb or free / 2**30, 1))


def _known(planned: Sequence[_Planned], reporter: Reporter) -> dict[str, Knowledge]:
    """What each pre-trained base knows of the labels, by its card's name."""
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


def _timed(plan: _Planned, budget: Budget, machine: Machine, reasons: Sequence[str]) -> Option:
    """The candidate with its forecast; with fewer epochs where that is what the budget allows."""
    candidate = plan.candidate
    option = Option(candidate.name, candidate.base, candidate.adapt, plan.recipe, tuple(reasons))
    try:
        trials = [trial(work, candidate.base, budget.device) for work in plan.schedule.works]
    except DianjiError as error:
        return replace(option, obstacle=f"its trial failed: {error}")
    option = replace(option, forecast=_forecast(plan, trials))
    if budget.minutes is not None:
        option = _shortened(option, plan, trials, 60 * budget.minutes)
    forecast = option.forecast
    if forecast is not None and not option.obstacle and forecast.peak_memory_mb > machine.memory_gb * 1024:
        needed = forecast.peak_memory_mb / 1024
        return replace(option, obstacle=f"needs {needed:.1f} GB of memory, and {machine.memory_gb:.1f} GB may be used")
    return option


def _shortened(option: Option, plan: _Planned, trials: Sequence[Trial], seconds: float) -> Option:
    needed = sum(one.seconds for one in trials)
    if needed <= seconds:
        return option
    if plan.schedule.works[-1].to_the_optimum:  # it has no epochs, and with some it would be another candidate
        return replace(option, obstacle=_too_slow(needed, seconds))
    last, epochs = trials[-1], plan.schedule.works[-1].train.epochs or 1.0
    spared = needed - last.epochs_seconds
    possible = int((seconds - spared) / last.epochs_seconds * epochs)
    if possible < max(1.0, LEAST_SHARE * epochs):
        return replace(option, obstacle=_too_slow(needed, seconds))
    name = list(plan.recipe["stages"])[-1]
    stage = plan.recipe["stages"][name]
    shorter = {**stage, "train": {**stage.get("train", {}), "epochs": possible}}
    recipe = {**plan.recipe, "stages": {**plan.recipe["stages"], name: shorter}}
    reason = f"{possible:g} epochs instead of {epochs:g}, to keep to {seconds / 60:g} minutes"
    forecast = _forecast(plan, [*trials[:-1], last.shortened(possible / epochs)])
    return replace(option, recipe=recipe, reasons=(*option.reasons, reason), forecast=forecast)


def _too_slow(needed: float, seconds: float) -> str:
    return f"takes {needed / 60:.0f} minutes, and {seconds / 60:g} may be used"


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


def _rows(seen: Inspection, plan: _Planned) -> Rows:
    train = plan.schedule.works[-1].data.splits["train"].num_rows
    counts = seen.column(seen.label).counts if seen.label is not None else {}
    return Rows(train, len(counts), sketch.modality(seen), sketch.language(seen))


def _facts(seen: Inspection, rows: Rows) -> dict[str, str]:
    """What was seen, in words."""
    facts = {"kind": rows.modality, "training rows": f"{rows.train:,}"}
    if rows.labels:
        facts["labels"] = f"{rows.labels:,}, {rows.per_label:,.0f} rows each on average"
    if rows.modality == "text":
        lengths = seen.column(str(seen.text)).characters
        facts["lengths"] = f"median {lengths['median']:,.0f} characters, 95 % below {lengths['p95']:,.0f}"
        facts["language"] = ", ".join(f"{code} {share:.0%}" for code, share in seen.languages[:3]) or "not recognised"
    else:
        sizes = seen.column(str(seen.image)).values["sizes"]
        facts["sizes"] = ", ".join(f"{size} ({count:,})" for size, count in list(sizes.items())[:3])
    return facts
