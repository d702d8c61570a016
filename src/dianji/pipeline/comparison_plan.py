"""Plans a comparison: each variant and seed as a schedule of steps; refuses variants that cannot be compared.

Every variant gets the same seeds: the recipe's own and those that follow it. A seed is the compared stage's alone.
The recipe's seed divides the data for all of them, so that the test rows (and the rows to train on, where they are
limited) stay the same. Stages before the compared one are the recipe's: they run once and are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    asked = section(recipe)
    seeds = tuple((recipe.seed + number) % 2**32 for number in range(asked.seeds))
    data_cache = data_cache or DataCache()
    variants: list[VariantPlan] = []
    faults = list(same_names(recipe))
    for index in range(len(asked.variants)):
        name = label(recipe, index)
        try:
            recipes = [as_recipe(recipe, index, seed) for seed in seeds]
            schedules = tuple(schedule(of, store, data_cache, select=True) for of in recipes)
            if schedules[0].waiting:
                raise RecipeError(_first_run(recipes[0]))
            if fault := _lacks(asked.part, schedules[0].works[-1]):
                raise RecipeError(fault)
            variants.append(VariantPlan(name, index, schedules, asked.part))
        except RecipeError as error:
            faults.extend(f"{where(recipe, index)} ('{name}'): {fault}" for fault in error.faults)
    split = next(
        (split for split in _SPLITS if all(split in e.compared(e.works[0]).data.splits for e in variants)), None
    )
    if split is None:
        faults.append(f"{recipe.where('compare')}: the variants have neither test nor validation rows in common.")
    else:
        faults += _incomparable(recipe, variants, split)
    if faults or split is None:
        raise RecipeError(*dict.fromkeys(faults))
    return ComparisonPlan(recipe, seeds, tuple(variants), split)


def _lacks(part: str | None, work: Work) -> str:
    """The fault of a stage without the part that is to be compared; a stage with one task needs none."""
    if part is None or work.stage.parts is None or part in work.parts:
        return ""
    return f"the stage '{work.name}' has no part '{part}', which compare.part names. {did_you_mean(part, work.parts)}"


def _first_run(recipe: Recipe) -> str:
    """The fault of a variant whose rows are not made yet; ``recipe`` is the variant's own."""
    makers = sorted({of.from_ for of in recipe.data.values() if of.from_ is not None})
    return (
        f"its rows are made by a stage that is not done. First: dianji run {recipe.origin.source} --stage "
        f"{' or '.join(makers)}"
    )


def _incomparable(recipe: Recipe, variants: Sequence[VariantPlan], split: str) -> Iterator[str]:
    """The reasons why variants cannot be compared with the first one."""
    if not variants:
        return
    first = variants[0]
    metric, rows = first.compared(first.works[0]).task.metrics[0], _rows(first, split)
    steps: dict[str, str] = {}
    for variant in variants:
        work, at = variant.works[0], where(recipe, variant.index)
        measured = variant.compared(work).task.metrics
        if metric not in measured:
            known = ", ".join(measured)
            yield f"{at}: '{variant.name}' is measured by {known}, '{first.name}' by {metric}. Compare like with like."
            continue
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
