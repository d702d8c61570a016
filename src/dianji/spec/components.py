"""Checks the components that a recipe names and their arguments, and fills in defaults.

Looking them up imports them, and most of them import torch; reading a recipe does not come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from dianji.errors import RecipeError, did_you_mean
from dianji.registry import REGISTRY, record_of
from dianji.spec.arguments import check_arguments
from dianji.spec.data import Data
from dianji.spec.document import LISTED, Path
from dianji.spec.references import check_references, columns_of
from dianji.spec.section import Component
from dianji.spec.sections import NewBase, Recipe, Stage, Variant


@dataclass(frozen=True)
class _Use:
    """The place where a recipe names a component, and the place of the component's arguments."""

    kind: str
    name: str
    given: Mapping[str, Any]
    at: Path
    arguments_at: Path


def check_components(recipe: Recipe) -> list[str]:
    """Every component that does not exist and every argument that does not fit, one line each."""
    faults: list[str] = []
    for use in _uses(recipe):
        try:
            faults += check_arguments(use.kind, use.name, use.given, recipe.origin, use.arguments_at)
        except RecipeError as error:
            faults += [f"{recipe.where(*use.at)}: {fault}" for fault in error.faults]
    return [*faults, *_bases(recipe), *_repeated(recipe)]


def fill(recipe: Recipe) -> Recipe:
    """Write out every component's version and every default argument; a filled recipe stays as it is.

    Raises:
        RecipeError: it has faults.
    """
    faults = [*check_references(recipe), *check_components(recipe)]
    if faults:
        raise RecipeError(*faults)
    changes: dict[str, Any] = {
        "data": {name: _filled_data(recipe, data) for name, data in recipe.data.items()},
        "stages": {name: _filled_stage(recipe, name, stage) for name, stage in recipe.stages.items()},
    }
    if isinstance(recipe.base, NewBase):
        changes["base"] = _filled_base(recipe.base)
    return recipe.model_copy(update=changes)


def _uses(recipe: Recipe) -> Iterator[_Use]:
    for name, data in recipe.data.items():
        at: Path = ("data", name)
        if data.select is not None:
            yield _use("selection", data.select, (*at, "select"))
        if data.format != "auto":
            yield _Use("source", data.format, data.options, (*at, "format"), (*at, "options"))
    for name, stage in recipe.stages.items():
        at = ("stages", name)
        for part, of in stage.tasks.items():
            yield _use("task", of.task, (*at, "parts", part, "task") if part else (*at, "task"))
        yield _use("procedure", stage.procedure, (*at, "procedure"))
        yield _use("adaptation", stage.adapt, (*at, "adapt"))
        yield _use("optimizer", stage.train.optimizer, (*at, "train", "optimizer"))
        yield _use("schedule", stage.train.schedule, (*at, "train", "schedule"))
        for index, technique in enumerate(stage.techniques):
            yield _use("technique", technique, (*at, "techniques", index))
    for number, variant in enumerate(recipe.compare.variants if recipe.compare else ()):
        yield from _uses_of(variant, ("compare", LISTED, number))


def _uses_of(variant: Variant, at: Path) -> Iterator[_Use]:
    """The components that a variant gives; the others are those of its stage."""
    train = variant.train
    for kind, component, place in (
        ("task", variant.task, (*at, "task")),
        ("adaptation", variant.adapt, (*at, "adapt")),
        ("optimizer", None if train is None else train.optimizer, (*at, "train", "optimizer")),
        ("schedule", None if train is None else train.schedule, (*at, "train", "schedule")),
    ):
        if component is not None:
            yield _use(kind, component, place)
    for index, technique in enumerate(variant.techniques or ()):
        yield _use("technique", technique, (*at, "techniques", index))


def _use(kind: str, component: Component, at: Path) -> _Use:
    return _Use(kind, component.name, component.arguments, at, (*at, component.name))


def _bases(recipe: Recipe) -> Iterator[str]:
    if recipe.base is not None:
        yield from _base(recipe, recipe.base, ("base",), _starting_from_base(recipe))
    for name, stage in recipe.stages.items():
        start = stage.from_
        if isinstance(start, NewBase) or (isinstance(start, str) and start not in recipe.stages):
            yield from _base(recipe, start, ("stages", name, "from"), [name])
    for index, variant in enumerate(recipe.compare.variants if recipe.compare else ()):
        start = variant.from_
        if isinstance(start, NewBase) or (isinstance(start, str) and start not in recipe.stages):
            known = [variant.stage] if variant.stage in recipe.stages else []
            yield from _base(recipe, start, ("compare", LISTED, index, "from"), known)


def _base(recipe: Recipe, base: str | NewBase, at: Path, stages: Iterable[str]) -> list[str]:
    """``stages`` are those that start from the base; the modality of their tasks decides the possible architectures."""
    if isinstance(base, str):
        return _unknown_name(recipe, base, at)
    if not _has("architecture", base.new):
        known = REGISTRY.names("architecture")
        return [f"{recipe.where(*at, 'new')}: there is no architecture '{base.new}'. {did_you_mean(base.new, known)}"]
    wanted, offered = _modality(recipe, stages), REGISTRY.get("architecture", base.new).modality
    if wanted is not None and wanted != offered:
        fitting = [name for name, cls in REGISTRY.names("architecture").items() if cls.modality == wanted]
        fault = f"'{base.new}' is an architecture for {offered}, and the task works on {wanted}"
        return [f"{recipe.where(*at, 'new')}: {fault}. For {wanted}: {', '.join(fitting) or 'none'}."]
    return check_arguments("architecture", base.new, base.arguments, recipe.origin, at)


def _unknown_name(recipe: Recipe, base: str, at: Path) -> list[str]:
    bases = REGISTRY.names("base")
    if base in bases or "/" in base or "\\" in base or FilePath(base).exists():
        return []  # a folder or a Hub id, which opening it will tell
    known, what = (bases, "base") if at == ("base",) else ({*bases, *recipe.stages}, "stage or base")
    return [
        f"{recipe.where(*at)}: there is no {what} '{base}'. {did_you_mean(base, known)} "
        "A folder is written ./folder, a model of the Hugging Face Hub owner/name."
    ]


def _starting_from_base(recipe: Recipe) -> list[str]:
    first = next(iter(recipe.stages))
    return [first] if recipe.stages[first].from_ is None else []


def _modality(recipe: Recipe, stages: Iterable[str]) -> str | None:
    """The modality of these stages' tasks; None where it is unknown."""
    for stage in stages:
        for part in recipe.stages[stage].tasks.values():
            if _has("task", part.task.name):
                return str(REGISTRY.get("task", part.task.name).modality)
    return None


def _has(kind: str, name: str) -> bool:
    """Whether the registry has the component, also with a version, which the registry's names leave out."""
    return name.partition("@")[0] in REGISTRY.names(kind)


def _repeated(recipe: Recipe) -> Iterator[str]:
    for name, stage in recipe.stages.items():
        seen: set[str] = set()
        for index, technique in enumerate(stage.techniques):
            if str(technique) in seen:
                where = recipe.where("stages", name, "techniques", index)
                yield f"{where}: technique '{technique}' is listed twice. Remove one of the two."
            seen.add(str(technique))


def _filled(kind: str, component: Component) -> Component:
    record = record_of(REGISTRY.build(kind, component.name, component.arguments))
    return Component(name=record["name"], arguments=record["arguments"])


def _filled_base(base: NewBase) -> NewBase:
    record = record_of(REGISTRY.build("architecture", base.new, base.arguments))
    return NewBase(new=record["name"], arguments=record["arguments"])


def _filled_data(recipe: Recipe, data: Data) -> Data:
    if data.select is not None:
        return data.model_copy(
            update={"select": _filled("selection", data.select), "columns": columns_of(recipe, data)}
        )
    if data.format == "auto":
        return data
    record = record_of(REGISTRY.build("source", data.format, data.options))
    return data.model_copy(update={"options": record["arguments"]})


def _filled_stage(recipe: Recipe, name: str, stage: Stage) -> Stage:
    train = {
        "optimizer": _filled("optimizer", stage.train.optimizer),
        "schedule": _filled("schedule", stage.train.schedule),
    }
    parts = {part: of.model_copy(update={"task": _filled("task", of.task)}) for part, of in stage.tasks.items()}
    changes: dict[str, Any] = {
        **({"task": parts[""].task} if stage.parts is None else {"parts": parts}),
        "procedure": _filled("procedure", stage.procedure),
        "adapt": _filled("adaptation", stage.adapt),
        "techniques": [_filled("technique", technique) for technique in stage.techniques],
        "train": stage.train.model_copy(update=train),
    }
    if isinstance(stage.from_, NewBase):
        changes["from_"] = _filled_base(stage.from_)
    return stage.model_copy(update=changes)
