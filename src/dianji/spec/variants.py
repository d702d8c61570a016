"""The variants of a comparison, each as a recipe of its own, and their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dianji.errors import RecipeError
from dianji.spec.data import Data
from dianji.spec.document import LISTED
from dianji.spec.references import before as needed
from dianji.spec.references import lineage, parent
from dianji.spec.section import Component
from dianji.spec.sections import Compare, NewBase, Recipe, Stage, Train, Variant

#: Of these keys of ``train`` one is given: the variant's takes the place of the stage's.
_EITHER = (("epochs", "steps", "minutes"), ("batch_size", "batch_tokens"))


def section(recipe: Recipe) -> Compare:
    """The recipe's section ``compare``.

    Raises:
        RecipeError: there is none.
    """
    if recipe.compare is None:
        stage = next(reversed(recipe.stages))
        raise RecipeError(
            f"{recipe.origin.source}: there is nothing to compare: the recipe has no section 'compare'. "
            f"List variants of a stage in it, for instance compare: [{stage}, {{stage: {stage}, adapt: frozen}}]."
        )
    return recipe.compare


def where(recipe: Recipe, index: int, *path: str | int) -> str:
    """Begins an error about a variant: ``bank.yaml, line 30: compare.variants.1.from``."""
    return recipe.where("compare", LISTED, index, *path)


def as_recipe(recipe: Recipe, index: int, seed: int) -> Recipe:
    """A recipe of the variant's stage with its changes and ``seed``, and of the stages before it, unchanged.

    The recipe's own seed still decides how data are divided.

    Raises:
        RecipeError: the stage starts from nothing, or in a circle.
    """
    variant = section(recipe).variants[index]
    name = variant.stage
    changed = _changed(recipe, variant).model_copy(update={"seed": seed})
    whole = recipe.model_copy(update={"stages": {**recipe.stages, name: changed}})
    _, *before = lineage(whole, name)
    if name in before:
        reason = f"'{name}' would start from itself. Name another stage or a base."
        raise RecipeError(f"{where(recipe, index, 'from')}: {reason}")
    data, used = _data(recipe, variant, before)
    changed = changed if changed.parts is not None else changed.model_copy(update={"data": used})
    whole = recipe.model_copy(update={"stages": {**recipe.stages, name: changed}, "data": data})
    stages = {**{stage: _started(whole, stage) for stage in needed(whole, name)}, name: changed}
    data = {section: of for section, of in data.items() if of.from_ is None or of.from_ in stages}
    return recipe.model_copy(update={"stages": stages, "data": data, "compare": None})


def label(recipe: Recipe, index: int) -> str:
    """The variant's own name, or its stage and what differs: ``intent, adapt frozen``."""
    variant = section(recipe).variants[index]
    return variant.name or ", ".join([variant.stage, *_differences(variant)])


def same_names(recipe: Recipe) -> Iterator[str]:
    """Faults for variants with the same name, one line each."""
    seen: dict[str, int] = {}
    for index in range(len(recipe.compare.variants) if recipe.compare else 0):
        name = label(recipe, index)
        if name in seen:
            yield (
                f"{where(recipe, index)}: the variants {seen[name] + 1} and {index + 1} are both called '{name}'. "
                "Change one of them, or give it another name."
            )
        seen.setdefault(name, index)


def written_out(recipe: Recipe, index: int, stage: Stage) -> Variant:
    """The variant with every field given as the filled ``stage`` has it: beside a filled recipe it says the same."""
    variant = section(recipe).variants[index]
    return Variant.model_validate(
        {
            "name": label(recipe, index),
            "stage": variant.stage,
            "from": stage.from_,
            "task": stage.task,
            "data": variant.data or stage.data,
            "adapt": stage.adapt,
            "train": Train.model_validate(dict(stage.train)),
            "techniques": list(stage.techniques),
        }
    )


def _changed(recipe: Recipe, variant: Variant) -> Stage:
    """The stage with the variant's changes, on the variant's data."""
    stage = recipe.stages[variant.stage]
    of_one_task = [field for field in ("task", "data") if getattr(variant, field) is not None]
    if stage.parts is not None and of_one_task:
        raise RecipeError(f"stage '{variant.stage}' has parts, so a variant cannot change its {of_one_task[0]}.")
    changes: dict[str, Any] = {"from_": variant.from_ or parent(recipe, variant.stage)}
    for field in ("task", "adapt", "techniques"):
        given = getattr(variant, field)
        changes |= {} if given is None else {field: given}
    if variant.train is not None:
        changes["train"] = _trained(stage.train, variant.train)
    return stage.model_copy(update=changes)


def _started(recipe: Recipe, stage: str) -> Stage:
    """The stage with its start written out: 'the stage before' means nothing where other stages are left out."""
    return recipe.stages[stage].model_copy(update={"from_": parent(recipe, stage)})


def _trained(stage: Train, given: Train) -> Train:
    changes = {key: getattr(given, key) for key in given.model_fields_set}
    for keys in _EITHER:
        if any(changes.get(key) is not None for key in keys):
            changes = {**dict.fromkeys(keys), **changes}
    return stage.model_copy(update=changes)


def _data(recipe: Recipe, variant: Variant, before: list[str]) -> tuple[dict[str, Data], str]:
    """The data sections, and the name of the one that the variant uses.

    A stage before it keeps all rows of data that the variant has fewer of: then those are a section of their own.
    """
    if not isinstance(variant.data, dict):
        return recipe.data, variant.data or _section(recipe, variant.stage)
    ((name, change),) = variant.data.items()
    fewer = recipe.data[name].model_copy(update={"limit": change.limit})
    shared = any(part.data == name for stage in before for part in recipe.stages[stage].tasks.values())
    used = f"{name}.limited" if shared else name
    return {**recipe.data, used: fewer}, used


def _section(recipe: Recipe, stage: str) -> str:
    """The data section of a stage with one task."""
    return next(iter(recipe.stages[stage].tasks.values())).data


def _differences(variant: Variant) -> Iterator[str]:
    if variant.from_ is not None:
        yield f"from {_short(variant.from_)}"
    if variant.task is not None:
        yield f"task {_short(variant.task)}"
    if isinstance(variant.data, str):
        yield f"data {variant.data}"
    elif variant.data is not None:
        limit = next(iter(variant.data.values())).limit
        yield "all rows" if limit is None else limit if isinstance(limit, str) else f"{limit} rows"
    if variant.adapt is not None:
        yield f"adapt {_short(variant.adapt)}"
    if variant.train is not None:
        yield from (f"{key} {_plain(getattr(variant.train, key))}" for key in sorted(variant.train.model_fields_set))
    if variant.techniques is not None:
        yield " and ".join(_short(technique) for technique in variant.techniques) or "no techniques"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _short(part: str | Component | NewBase) -> str:
    if isinstance(part, str):
        return part
    name = f"new {part.new}" if isinstance(part, NewBase) else str(part)
    arguments = ", ".join(f"{key} {value}" for key, value in part.arguments.items())
    return f"{name} ({arguments})" if arguments else name
