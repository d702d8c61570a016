"""References between a recipe's parts: the data of a stage, and the start of a stage."""

from __future__ import annotations

from collections.abc import Iterator

from dianji.errors import RecipeError, did_you_mean
from dianji.spec.data import Data
from dianji.spec.document import LISTED
from dianji.spec.sections import NewBase, Recipe


def check_references(recipe: Recipe) -> list[str]:
    """Every reference that leads nowhere or in a circle, one line each. Knows no registry, so a base is any text."""
    return [*_data(recipe), *_without_start(recipe), *_circles(recipe), *_variants(recipe)]


def parent(recipe: Recipe, stage: str) -> str | NewBase:
    """The start of a stage: another stage (then it is in ``recipe.stages``) or a base.

    ``from`` where it is given, else the stage before, else the recipe's base.

    Raises:
        RecipeError: there is none.
    """
    start = _parent(recipe, stage)
    if start is None:
        raise RecipeError(_nothing_to_start_from(recipe, stage))
    return start


def order(recipe: Recipe) -> list[str]:
    """Stage names, each after the stages it needs, otherwise as the recipe lists them.

    Raises:
        RecipeError: stages start from each other in a circle.
    """
    circles = list(_circles(recipe))
    if circles:
        raise RecipeError(*circles)
    ordered: dict[str, None] = {}
    for name in recipe.stages:
        ordered.update(dict.fromkeys([*before(recipe, name), name]))
    return list(ordered)


def lineage(recipe: Recipe, stage: str) -> Iterator[str]:
    """A stage, the one it starts from, and so on; ends when a stage comes up for the second time."""
    seen: set[str] = set()
    name: str | NewBase | None = stage
    while isinstance(name, str) and name in recipe.stages:
        yield name
        if name in seen:
            return
        seen.add(name)
        name = _parent(recipe, name)


def _parent(recipe: Recipe, stage: str) -> str | NewBase | None:
    given = recipe.stages[stage].from_
    if given is not None:
        return given
    names = list(recipe.stages)
    place = names.index(stage)
    return names[place - 1] if place else recipe.base


def _data(recipe: Recipe) -> Iterator[str]:
    for name, stage in recipe.stages.items():
        for part, of in stage.tasks.items():
            if of.data not in recipe.data:
                at = ("parts", part, "data") if part else ("data",)
                where = recipe.where("stages", name, *at)
                yield f"{where}: there is no data section '{of.data}'. {did_you_mean(of.data, recipe.data)}"
    for name, data in recipe.data.items():
        if data.from_ is not None:
            yield from _derived(recipe, name, data)
        elif not data.path and data.format != "sql":
            yield f"{recipe.where('data', name)}: the key 'path' is missing. Name a file, a folder or a list of them."


def _derived(recipe: Recipe, name: str, data: Data) -> Iterator[str]:
    """Faults of rows that a stage makes."""
    if data.from_ not in recipe.stages:
        where = recipe.where("data", name, "from")
        yield f"{where}: there is no stage '{data.from_}'. {did_you_mean(str(data.from_), recipe.stages)}"
    elif recipe.stages[data.from_].parts is not None:
        where = recipe.where("data", name, "from")
        yield f"{where}: the stage '{data.from_}' has several parts, and rows are made by a stage with one task."
    for key, section in (("rows", data.rows), ("with", data.with_)):
        where = recipe.where("data", name, key)
        if section is not None and section not in recipe.data:
            yield f"{where}: there is no data section '{section}'. {did_you_mean(section, recipe.data)}"
        elif section is not None and recipe.data[section].from_ is not None:
            yield f"{where}: '{section}' is made by a stage itself. Name a section with a path."


def columns_of(recipe: Recipe, data: Data) -> dict[str, str | list[str]]:
    """The section's columns; of rows that a stage makes, unless given, those of the section that evaluates them."""
    return data.columns or (recipe.data[data.evaluated].columns if data.evaluated in recipe.data else {})


def needs(recipe: Recipe, stage: str) -> Iterator[str]:
    """The stages that must be done before: the one it starts from, and those that make its rows."""
    start = _parent(recipe, stage)
    if isinstance(start, str) and start in recipe.stages:
        yield start
    for part in recipe.stages[stage].tasks.values():
        data = recipe.data.get(part.data)
        if data is not None and data.from_ in recipe.stages:
            yield str(data.from_)


def before(recipe: Recipe, stage: str) -> list[str]:
    """All stages that a stage needs, each after those that it needs itself; in a circle, each once."""
    found: dict[str, None] = {}
    began: set[str] = set()

    def visit(name: str) -> None:
        if name in began:
            return
        began.add(name)
        for needed in needs(recipe, name):
            visit(needed)
        found.setdefault(name)

    visit(stage)
    return [name for name in found if name != stage]


def _variants(recipe: Recipe) -> Iterator[str]:
    for index, variant in enumerate(recipe.compare.variants if recipe.compare else ()):
        at = ("compare", LISTED, index)
        if variant.stage not in recipe.stages:
            where = recipe.where(*at, "stage")
            yield f"{where}: there is no stage '{variant.stage}'. {did_you_mean(variant.stage, recipe.stages)}"
        for name in [variant.data] if isinstance(variant.data, str) else list(variant.data or {}):
            if name not in recipe.data:
                where = recipe.where(*at, "data")
                yield f"{where}: there is no data section '{name}'. {did_you_mean(name, recipe.data)}"
            elif recipe.data[name].from_ is not None and not isinstance(variant.data, str):
                where = recipe.where(*at, "data")
                yield f"{where}: limit has no effect on '{name}', whose rows a stage makes. Leave it out."


def _without_start(recipe: Recipe) -> Iterator[str]:
    for name in recipe.stages:
        if _parent(recipe, name) is None:
            yield _nothing_to_start_from(recipe, name)


def _nothing_to_start_from(recipe: Recipe, stage: str) -> str:
    return (
        f"{recipe.where('stages', stage)}: nothing to start from. Give the recipe a base "
        "(base: minilm), or the stage a 'from', for instance from: {new: transformer}."
    )


def _circles(recipe: Recipe) -> Iterator[str]:
    """Each circle once, reported at the first of its stages in the recipe."""
    reported: set[str] = set()
    for name in recipe.stages:
        line = list(lineage(recipe, name))
        circular = len(line) > len(set(line)) and line[-1] == name
        if circular and not reported & set(line):
            reported |= set(line)
            yield _circle(recipe, line)
    for name in recipe.stages:
        needed = [of for of in before(recipe, name) if name in before(recipe, of)]
        if needed and name not in reported and not reported & set(needed):
            reported |= {name, *needed}
            where = recipe.where("stages", name)
            yield (
                f"{where}: '{name}' and '{needed[-1]}' need each other: one makes rows for the other, or is its start. "
                "Name another stage or a base."
            )
        for part in recipe.stages[name].tasks.values():
            data = recipe.data.get(part.data)
            if data is not None and data.from_ == name:
                yield f"{recipe.where('data', part.data, 'from')}: the stage '{name}' would make its own rows."


def _circle(recipe: Recipe, line: list[str]) -> str:
    where = recipe.where("stages", line[0], "from")
    if len(line) == 2:
        return f"{where}: the stage '{line[0]}' starts from itself. Name an earlier stage or a base."
    path = " -> ".join(
        f"{name} (no 'from': the stage before)" if _implied(recipe, name) else name for name in line[:-1]
    )
    return f"{where}: stages start from each other in a circle: {path} -> {line[-1]}. Give one of them another 'from'."


def _implied(recipe: Recipe, stage: str) -> bool:
    return recipe.stages[stage].from_ is None
