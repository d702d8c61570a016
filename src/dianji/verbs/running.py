"""Checks a recipe, runs it, compares its variants, fine-tunes in one call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dianji.comparison import Comparison
from dianji.errors import RecipeError, did_you_mean
from dianji.launch import launch, lonely, refuse_several
from dianji.pipeline.finished import finished, remember
from dianji.reporting import Reporter, Silent
from dianji.results import Plan, RunResult
from dianji.spec.sections import Recipe
from dianji.spec.variants import section
from dianji.store.steps import Store

if TYPE_CHECKING:
    from dianji.artefact.opened import Model

# What plans, trains and predicts is imported where it is needed: a run that has nothing to do needs no torch.


def check(recipe: Recipe, *, store: Store | None = None) -> Plan:
    """Find every fault before any model is loaded, and return the plan.

    Raises:
        RecipeError: with all faults.
    """
    from dianji.pipeline.comparison_plan import check_comparison, plan_comparison
    from dianji.pipeline.plan import schedule
    from dianji.pipeline.plan_data import DataCache
    from dianji.pipeline.plan_forecast import with_forecasts

    store = store or Store.default()
    data_cache = DataCache()
    found = schedule(recipe, store, data_cache)
    plan = with_forecasts(found, store)
    if recipe.compare is None:
        return plan
    if found.waiting:  # the section stays as it is: a variant is written out when its stage is planned
        filled = {**plan.filled, "compare": recipe.compare.model_dump(mode="json", by_alias=True)}
        return replace(plan, filled=filled, variants=check_comparison(recipe, store, data_cache))
    planned = plan_comparison(recipe, store, data_cache)
    filled = {**plan.filled, "compare": planned.filled().model_dump(mode="json", by_alias=True)}
    return replace(plan, filled=filled, variants=tuple(variant.planned() for variant in planned.variants))


def run(
    recipe: Recipe,
    *,
    stage: str | None = None,
    again: bool = False,
    profile: bool = False,
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> RunResult:
    """Run the missing steps; finished ones are reused, an interrupted one is resumed; run the comparison, if any.

    Args:
        recipe: the recipe to run.
        stage: only this stage and its ancestors, and no comparison.
        again: run ``stage`` (or the last one) although it is done.
        profile: measure the time of each stage by phases; a trace lies in its step's folder.
        reporter: receives messages and progress.
        store: where steps lie; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        RecipeError: with all faults, before anything is begun.
        TrainingError: the loss is not a number.
        StoreError: the disk is full, or another process works on the same step.
    """
    store = store or Store.default()
    if stage is not None and stage not in recipe.stages:
        raise RecipeError(f"there is no stage '{stage}'. {did_you_mean(stage, recipe.stages)}")
    if recipe.compare is not None and stage is None:
        refuse_several("A recipe's comparison", "Or train the stages with --stage NAME, and compare them afterwards.")
    reporter = (reporter or Silent()) if launch().main else Silent()  # of several processes, one speaks
    if warning := lonely():
        reporter.warn(warning)
    if stage is None and not again and (done := finished(recipe, store)) is not None:
        for one in done.stages:
            reporter.say(f"{one.name}: done before, reused ({one.digest[:12]})")
        return done
    return _run(recipe, store, reporter, stage, again=again, profile=profile)


def _run(
    recipe: Recipe, store: Store, reporter: Reporter, stage: str | None, *, again: bool, profile: bool
) -> RunResult:
    from dianji.engine.joining import joined
    from dianji.pipeline.compare import compare as compare_variants
    from dianji.pipeline.comparison_plan import check_comparison, plan_comparison
    from dianji.pipeline.execute import execute
    from dianji.pipeline.plan import schedule
    from dianji.pipeline.plan_data import DataCache

    data_cache = DataCache()
    with joined() as processes:
        planned = schedule(recipe, store, data_cache)
        wanted = recipe.compare is not None and stage is None
        # Planned before anything runs, so that its faults are told before anything runs.
        compared = plan_comparison(recipe, store, data_cache) if wanted and not planned.waiting else None
        if wanted and planned.waiting:
            check_comparison(recipe, store, data_cache)
        if stage is not None:
            planned = planned.upto(stage)
        redo = (stage or planned.last) if again else None
        result = execute(planned, store, reporter, again=redo, profiled=profile, processes=processes)
        while planned.waiting:  # now their rows can be made
            with processes.main_first():
                planned = schedule(recipe, store, data_cache, select=True)
            if stage is not None:
                planned = planned.upto(stage)
            result = execute(planned, store, reporter, again=redo, before=result, profiled=profile, processes=processes)
        if stage is None:
            processes.on_main(remember, planned, store, result)
    if wanted and compared is None:
        compared = plan_comparison(recipe, store, data_cache)
    return result if compared is None else replace(result, comparison=compare_variants(compared, store, reporter))


def compare(recipe: Recipe, *, reporter: Reporter | None = None, store: Store | None = None) -> Comparison:
    """Run the variants of the recipe's section ``compare``; report differences, costs, and the variant to ship.

    Finished steps are reused, an interrupted comparison is resumed, and the result is kept in the store.

    Raises:
        RecipeError: with all faults, before anything is begun; also where variants do not share their test rows.
        TrainingError: every variant failed.
        StoreError: the disk is full.
    """
    from dianji.pipeline.compare import compare as compare_variants
    from dianji.pipeline.comparison_plan import plan_comparison
    from dianji.pipeline.plan import schedule
    from dianji.pipeline.plan_data import DataCache

    section(recipe)
    refuse_several("A comparison")
    store = store or Store.default()
    data_cache = DataCache()
    schedule(recipe, store, data_cache)  # the recipe's own faults first: each variant would repeat them
    return compare_variants(plan_comparison(recipe, store, data_cache), store, reporter or Silent())


def finetune(
    base: str,
    path: str | Path,
    *,
    task: str = "text-classification",
    reporter: Reporter | None = None,
    seed: int = 0,
    **columns: str,
) -> Model:
    """Fine-tune a base on a table in one call, with every default of a recipe.

    Args:
        base: registered base, folder or Hub id.
        path: the table or folder.
        task: a registered task.
        reporter: receives messages and progress.
        seed: of the run.
        columns: the task's name of a column = the table's, such as ``text="query"``.

    Raises:
        RecipeError: the base, the task or a column is unknown.
    """
    from dianji.artefact.opened import Model
    from dianji.pipeline.execute import artefact_of

    recipe = Recipe.parse(
        {
            "name": Path(path).stem or "data",
            "seed": seed,
            "base": base,
            "data": {"data": {"path": str(Path(path).absolute()), "columns": columns}},
            "stages": {task: {"task": task, "data": "data"}},
        }
    )
    return Model.open(artefact_of(run(recipe, reporter=reporter)))
