"""Adds forecasts to a plan: memory, disk, and truncated rows, before any training."""

from __future__ import annotations

import dataclasses

from dianji.engine.frozen.state_store import lack_of_space
from dianji.errors import BaseError, CapabilityError, DianjiError, RecipeError
from dianji.pipeline.encoded import describe_truncation
from dianji.pipeline.plan import Schedule, Work
from dianji.pipeline.resource_forecast import cache_size, forecast_stage, shortage
from dianji.pipeline.stage_preview import StagePreview
from dianji.pipeline.unknown import unknown_in_samples
from dianji.results import Plan, PlannedStage
from dianji.store.steps import Store


def with_forecasts(found: Schedule, store: Store) -> Plan:
    """The schedule's plan with forecasts; stages that are done keep their entries.

    Raises:
        RecipeError: rows do not fit a base at the length that is asked for, or a base's tokenizer is damaged.
    """
    plan = found.plan()
    stages, warnings, faults = [], list(plan.warnings), []
    for stage, work in zip(plan.stages[: len(found.works)], found.works, strict=True):
        if stage.state != "done":
            try:
                stage, more = _seen(stage, work, store)
                warnings += more
            except (BaseError, CapabilityError) as error:
                faults.append(f"{found.recipe.where('stages', work.name)}: {error}")
        stages.append(stage)
    if faults:
        raise RecipeError(*faults)
    return dataclasses.replace(plan, stages=(*stages, *found.waiting), warnings=tuple(warnings))


def _seen(stage: PlannedStage, work: Work, store: Store) -> tuple[PlannedStage, list[str]]:
    """The stage with its forecast, and warnings."""
    try:
        seen = StagePreview.of(work)
        memory = forecast_stage(work, seen)  # before more rows are encoded: the memory in use counts
        cuts, texts = seen.cuts(), seen.texts
    except (BaseError, CapabilityError):
        raise
    except DianjiError:
        return stage, []  # a new base finds nothing in the few rows that are looked at; the run looks at all
    warnings = [
        describe_truncation(f"{work.name}: {seen.samples[split].describe(split)}", found)
        for split, found in cuts.items()
    ]
    warnings += unknown_in_samples(work, seen.base, texts)
    cache = cache_size(seen)
    if memory is not None and (short := shortage(work.name, memory)):
        warnings.append(short)
    if cache is not None and (full := lack_of_space(cache, store.home / "cache")):
        warnings.append(f"{work.name}: the frozen states of its rows would take {full}")
    forecast = dataclasses.replace(
        stage,
        memory_mb=None if memory is None else round(memory.total),
        cache_mb=None if cache is None else round(cache / 1e6, 3),
        cut={split: of.to_json() for split, of in cuts.items()},
    )
    return forecast, warnings
