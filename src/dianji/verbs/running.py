"""Check a recipe, run it, fine-tune in one call."""

from __future__ import annotations

from pathlib import Path

from dianji.artefact.opened import Model
from dianji.errors import RecipeError, did_you_mean
from dianji.pipeline.execute import artefact_of, execute
from dianji.pipeline.plan import schedule
from dianji.reporting import Reporter, Silent
from dianji.results import Plan, RunResult
from dianji.spec.sections import Recipe
from dianji.store.steps import Store


def check(recipe: Recipe, *, store: Store | None = None) -> Plan:
    """Find every fault before any model is loaded, and tell what would be done.

    Raises:
        RecipeError: with all faults.
    """
    return schedule(recipe, store or Store.default()).plan()


def run(
    recipe: Recipe,
    *,
    stage: str | None = None,
    again: bool = False,
    reporter: Reporter | None = None,
    store: Store | None = None,
) -> RunResult:
    """Run what is missing; finished steps are reused, an interrupted one goes on where it was.

    Args:
        recipe: what to do.
        stage: only this stage and what it starts from.
        again: run ``stage`` (or the last one) although it is done.
        reporter: hears how it goes.
        store: where steps lie; default ``$DIANJI_HOME`` or ``.dianji``.

    Raises:
        RecipeError: with all faults, before anything is begun.
        TrainingError: the loss is not a number.
        StoreError: the disk is full, or another process works on the same step.
    """
    store = store or Store.default()
    if stage is not None and stage not in recipe.stages:
        raise RecipeError(f"there is no stage '{stage}'. {did_you_mean(stage, recipe.stages)}")
    planned = schedule(recipe, store)
    if stage is not None:
        planned = planned.upto(stage)
    redo = (stage or planned.works[-1].name) if again else None
    return execute(planned, store, reporter or Silent(), again=redo)


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
        reporter: hears how it goes.
        seed: of the run.
        columns: what the task calls a column = what the table calls it, such as ``text="query"``.

    Raises:
        RecipeError: the base, the task or a column is unknown.
    """
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
