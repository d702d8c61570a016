"""Plans a comparison: each variant and seed as a schedule of steps; refuses variants that cannot be compared.

Every variant gets the same seeds: the recipe's own and those that follow it. A seed is the compared stage's alone.
The recipe's seed divides the data for all of them, so that the test rows (and the rows to train on, where they are
limited) stay the same. Stages before the compared one are the recipe's: they run once and are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dianji.artefact.manifest import PARTS
from dianji.data.content import examine
from dianji.data.read import Loaded
from dianji.errors import DataError, RecipeError, did_you_mean
from dianji.evaluate.replicates import require_same_rows
from dianji.pipeline.plan import Schedule, Work, schedule
from dianji.pipeline.plan_data import DataCache
from dianji.registry import REGISTRY
from dianji.results import PlannedVariant
from dianji.spec.sections import Compare, Recipe
from dianji.spec.variants import as_recipe, label, same_names, section, where, written_out
from dianji.store.steps import Store
from dianji.tasks.base import Task

#: The split of a comparison: the first of these that every variant has.
_SPLITS = ("test", "validation")


@dataclass(frozen=True)
class Compared:
    """The task that is compared: that of a stage, or of one of its parts."""

    task: Task
    data: Loaded
    artefact: Path


@dataclass(frozen=True)
class VariantPlan:
    """One variant: a schedule for each seed, each ending with the variant's stage."""

    name: str
    index: int
    schedules: tuple[Schedule, ...]
    part: str | None = None  # that is compared, if the stage has several; None: the first

    @property
    def works(self) -> tuple[Work, ...]:
        """The compared stage, for each seed."""
        return tuple(planned.works[-1] for planned in self.schedules)

    def compared(self, work: Work) -> Compared:
        """The task of one of ``works``."""
        if work.stage.parts is None:
            return Compared(work.task, work.data, work.step.artefact)
        name = self.part or next(iter(work.parts))
        part = work.parts[name]
        return Compared(part.task, part.data, work.step.artefact / PARTS / name)

    def planned(self) -> PlannedVariant:
        """The summary for a plan."""
        steps = tuple(work.step.digest for work in self.works)
        return PlannedVariant(self.name, self.works[0].name, steps, sum(w.step.state == "done" for w in self.works))


@dataclass(frozen=True)
class ComparisonPlan:
    """All variants, with the same seeds, measured on the same split."""

    recipe: Recipe
    seeds: tuple[int, ...]
    variants: tuple[VariantPlan, ...]
    split: str

    @property
    def metric(self) -> str:
        """The first variant's primary metric."""
        first = self.variants[0]
        return first.compared(first.works[0]).task.metrics[0]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the first variant's stage, the one that is compared first; none where it has one task."""
        first = self.variants[0]
        work = first.works[0]
        if work.stage.parts is None:
            return ()
        return tuple(sorted(work.parts, key=lambda part: part != first.part))

    def filled(self) -> Compare:
        """The section with every field given, for a recipe that was filled."""
        stages = [variant.schedules[0].filled().stages[variant.works[0].name] for variant in self.variants]
        variants = [written_out(self.recipe, e.index, stage) for e, stage in zip(self.variants, stages, strict=True)]
        return Compare(variants=variants, seeds=len(self.seeds), part=section(self.recipe).part)


def plan_comparison(recipe: Recipe, store: Store, data_cache: DataCache | None = None) -> ComparisonPlan:
    """Plan the comparison that a recipe asks for.

    Args:
        recipe: whose section ``compare`` is meant.
        store: where steps lie.
        data_cache: data that were read already.

    Raises:
        RecipeError: with every fault of every variant; also where variants cannot be compared with each other.
    """
    planned = _variants(recipe, store, data_cache or DataCache(), select=True)
    faults = list(planned.faults)
    for index, waits in planned.waiting.items():
        faults.append(
            f"{where(recipe, index)} ('{waits.name}'): its rows are made by a stage that is not done. First: dianji "
            f"run {recipe.origin.source} --stage {' or '.join(waits.waits_for)}"
        )
    faults += _incomparable(recipe, planned)
    split = _split(planned.variants)
    if faults or split is None:
        raise RecipeError(*dict.fromkeys(faults))
    return ComparisonPlan(recipe, _seeds(recipe), planned.variants, split)


def check_comparison(recipe: Recipe, store: Store, data_cache: DataCache) -> tuple[PlannedVariant, ...]:
    """Check what can be checked of a comparison while stages wait for rows that earlier ones make; opens no model.

    Variants that can be planned are planned and compared with each other. Of the others the recipe, the stages before
    the one that waits, the part and the metric are checked.

    Raises:
        RecipeError: with every fault that was found.
    """
    planned = _variants(recipe, store, data_cache, select=False)
    faults = [*planned.faults, *_incomparable(recipe, planned)]
    if faults:
        raise RecipeError(*dict.fromkeys(faults))
    known = {**{variant.index: variant.planned() for variant in planned.variants}, **planned.waiting}
    return tuple(known[index] for index in sorted(known))


@dataclass(frozen=True)
class _Variants:
    """The variants that can be planned, those that wait (by number), and the faults of the others."""

    variants: tuple[VariantPlan, ...]
    waiting: Mapping[int, PlannedVariant]
    #: Number of a variant -> its metrics, of those that wait too.
    metrics: Mapping[int, tuple[str, ...]]
    faults: tuple[str, ...]


def _seeds(recipe: Recipe) -> tuple[int, ...]:
    return tuple((recipe.seed + number) % 2**32 for number in range(section(recipe).seeds))


def _variants(recipe: Recipe, store: Store, data_cache: DataCache, *, select: bool) -> _Variants:
    asked, seeds = section(recipe), _seeds(recipe)
    variants: list[VariantPlan] = []
    waiting: dict[int, PlannedVariant] = {}
    metrics: dict[int, tuple[str, ...]] = {}
    faults = list(same_names(recipe))
    for index, variant in enumerate(asked.variants):
        name = label(recipe, index)
        try:
            recipes = [as_recipe(recipe, index, seed) for seed in seeds]
            schedules = tuple(schedule(of, store, data_cache, select=select) for of in recipes)
            metrics[index] = _task_of(recipes[0], variant.stage, asked.part).metrics
            if schedules[0].waiting:
                waiting[index] = PlannedVariant(name, variant.stage, (), 0, _makers(recipes[0]))
            else:
                variants.append(VariantPlan(name, index, schedules, asked.part))
        except RecipeError as error:
            faults.extend(f"{where(recipe, index)} ('{name}'): {fault}" for fault in error.faults)
    return _Variants(tuple(variants), waiting, metrics, tuple(faults))


def _task_of(recipe: Recipe, name: str, part: str | None) -> Task:
    """The task that is compared, as the recipe has it.

    Raises:
        RecipeError: the stage has no such part.
    """
    stage = recipe.stages[name]
    if stage.parts is None:
        (asked,) = stage.tasks.values()
    elif part is not None and part not in stage.parts:
        known = did_you_mean(part, stage.parts)
        raise RecipeError(f"the stage '{name}' has no part '{part}', which compare.part names. {known}")
    else:
        asked = stage.parts[part or next(iter(stage.parts))]
    task: Task = REGISTRY.build("task", asked.task.name, asked.task.arguments)
    return task


def _makers(recipe: Recipe) -> tuple[str, ...]:
    """The stages that make rows of a variant; ``recipe`` is the variant's own."""
    return tuple(sorted({of.from_ for of in recipe.data.values() if of.from_ is not None}))


def _split(variants: Sequence[VariantPlan]) -> str | None:
    """The first of the splits that all variants have."""
    return next(
        (split for split in _SPLITS if all(split in e.compared(e.works[0]).data.splits for e in variants)), None
    )


def _incomparable(recipe: Recipe, planned: _Variants) -> Iterator[str]:
    """The reasons why variants cannot be compared with the first one: all by metric, those that are planned by rows."""
    unlike = set()
    for index, measured in planned.metrics.items():
        first = min(planned.metrics)
        metric = planned.metrics[first][0]
        if metric not in measured:
            unlike.add(index)
            yield (
                f"{where(recipe, index)}: '{label(recipe, index)}' is measured by {', '.join(measured)}, "
                f"'{label(recipe, first)}' by {metric}. Compare like with like."
            )
    variants, split = planned.variants, _split(planned.variants)
    if split is None:
        yield f"{recipe.where('compare')}: the variants have neither test nor validation rows in common."
    elif variants:
        yield from _unlike_rows(recipe, [variant for variant in variants if variant.index not in unlike], split)


def _unlike_rows(recipe: Recipe, variants: Sequence[VariantPlan], split: str) -> Iterator[str]:
    if not variants:
        return
    first, steps = variants[0], dict[str, str]()
    rows = _rows(first, split)
    for variant in variants:
        work, at = variant.works[0], where(recipe, variant.index)
        same = steps.setdefault(work.step.digest, variant.name)
        if same != variant.name:
            yield f"{at}: '{variant.name}' asks for the same as '{same}'. Change something, or take it out."
        try:
            require_same_rows(rows, _rows(variant, split), (first.name, variant.name))
        except DataError as error:
            yield f"{at}: {error}"


def _rows(variant: VariantPlan, split: str) -> np.ndarray:
    """Digests of the rows that the variant is measured on."""
    found = variant.compared(variant.works[0])
    return examine(found.data.splits[split], found.task.columns).order
