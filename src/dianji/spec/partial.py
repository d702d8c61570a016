"""Faults of components and references in a recipe whose sections have faults too, so that all are told at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic

from dianji.spec.document import Origin, Path
from dianji.spec.faults import faults_of, written
from dianji.spec.sections import Recipe

#: Sections whose members others refer to.
_NAMED = ("data", "stages")
#: Keys without which a section would be at fault for another reason; what they are set to is told of no more.
_OWED, _UNKNOWN = ("task",), "?"
#: More rounds than a recipe has levels.
_ROUNDS = 20


def remaining_faults(raw: Mapping[str, Any], error: pydantic.ValidationError | None, origin: Origin) -> list[str]:
    """What else is wrong: the sections are read again without the values at fault.

    Args:
        raw: the recipe as plain values.
        error: the faults of its sections, if there are any.
        origin: of the recipe.
    """
    # They import torch, which reading a recipe without faults does not need.
    from dianji.spec.components import check_components
    from dianji.spec.references import check_references

    left = _Left(copy.deepcopy(dict(raw)))
    recipe = left.read(error, origin)
    if recipe is None:
        return left.faults
    recipe = recipe.from_origin(origin)
    found = [*check_references(recipe), *check_components(recipe)]
    return [*left.faults, *(fault for fault in found if not any(f"'{name}'" in fault for name in left.dropped))]


@dataclass
class _Left:
    """A recipe that loses its values at fault, round by round."""

    value: dict[str, Any]
    #: Names of the stages and data sections that went with them.
    dropped: set[str] = field(default_factory=lambda: {_UNKNOWN})
    removed: set[Path] = field(default_factory=set)
    #: What only showed when other faults were gone.
    faults: list[str] = field(default_factory=list)

    def read(self, error: pydantic.ValidationError | None, origin: Origin) -> Recipe | None:
        """The rest; None where nothing can be made of it."""
        for number in range(_ROUNDS):
            if error is not None:
                places = _places(error, self.value)
                if number:
                    self.faults += self._own(error, origin)
                if () in places:
                    return None
                for place in places:
                    self._leave_out(place)
            try:
                return Recipe.model_validate(self.value)
            except pydantic.ValidationError as next_one:
                error = next_one
        return None

    def _own(self, error: pydantic.ValidationError, origin: Origin) -> list[str]:
        """Faults of a later round, without those that come of what was left out."""
        gone = {f"{origin.where(*place[:-1])}: the key '{place[-1]}' is missing" for place in self.removed}
        gone |= {f"{origin.where(*place[:-1])}: expected at least" for place in self.removed}
        found = faults_of(error, self.value, origin, Recipe)
        return [fault for fault in found if not any(fault.startswith(missing) for missing in gone)]

    def _leave_out(self, place: Path) -> None:
        self.removed.add(removed := _remove(self.value, place))
        if len(removed) == 2 and removed[0] in _NAMED:
            self.dropped.add(str(removed[1]))


def _places(error: pydantic.ValidationError, value: dict[str, Any]) -> list[Path]:
    """The values to leave out: one at fault, or the section in which a key is missing."""
    found: dict[Path, None] = {}
    for item in error.errors(include_url=False):
        place = written(item["loc"], value)
        if item["type"] == "missing":
            if place == ("name",):
                value["name"] = "recipe"
                continue
            place = place[:-1]
        found[place] = None
    return list(found)


def _remove(value: Any, place: Path) -> Path:
    """The place that is gone: of a list all of it, since the numbers of its members would change."""
    for number, part in enumerate(place[:-1]):
        holder = value.get(part)
        if isinstance(holder, list):
            del value[part]
            return place[: number + 1]
        if not isinstance(holder, dict):  # gone with another one
            return place
        value = holder
    if place[-1] in _OWED and place[-1] in value:
        value[place[-1]] = _UNKNOWN
    else:
        value.pop(place[-1], None)
    return place
