"""``dianji check``: every fault at once, and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dianji.cli.answer import Answer
from dianji.cli.options import Json, RecipeFile

if TYPE_CHECKING:
    from dianji.results import Plan, PlannedVariant


Filled = Annotated[bool, typer.Option("--filled", help="Print the recipe with every default written out (YAML).")]


def check(recipe: RecipeFile, filled: Filled = False, as_json: Json = False) -> Answer:
    """Find every fault of a recipe before any model is loaded, and show the plan."""
    from dianji import verbs
    from dianji.spec.sections import Recipe

    plan = verbs.check(Recipe.load(recipe))
    return Answer(plan.to_json(), lambda: _print_filled(plan) if filled else _show(plan, str(recipe)))


def _print_filled(plan: Plan) -> None:
    import yaml

    print(yaml.safe_dump(dict(plan.filled), sort_keys=False, allow_unicode=True), end="")


def _show(plan: Plan, recipe: str) -> None:
    from dianji.cli.tables import clean, print_table

    print(f"{recipe} has no faults. The plan of '{plan.recipe}':")
    rows = [
        [
            stage.name,
            stage.task,
            stage.starts_from,
            stage.adapt,
            stage.data,
            ", ".join(f"{split} {count:,}" for split, count in stage.rows.items()),
            stage.state,
        ]
        for stage in plan.stages
    ]
    print_table(["stage", "task", "starts from", "adaptation", "data", "rows", "state"], rows)
    if plan.variants:
        print("\nIt compares:")
        variants = [[of.name, of.stage, _state(of)] for of in plan.variants]
        print_table(["variant", "stage", "state"], variants)
    for stage in plan.stages:
        if stage.memory_mb is not None:
            print(f"{stage.name} will take about {stage.memory_mb:,.0f} MB of memory.")
        if stage.cache_mb is not None:
            print(f"{stage.name} will store the frozen states of its rows: about {stage.cache_mb:,.1f} MB on disk.")
    for stage in plan.stages:
        if stage.state == "waiting":
            print(f"{stage.name} waits for rows that an earlier stage makes; they are checked when that one is done.")
    for warning in plan.warnings:
        print(f"warning: {clean(warning)}")
    print(f"Next: dianji run {recipe}")


def _state(variant: PlannedVariant) -> str:
    if variant.waits_for:
        return f"waits for rows of {', '.join(variant.waits_for)}"
    return f"{variant.done} of {len(variant.steps)} runs done"
