"""Reads a recipe's text as sections: every fault at once, each with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from dianji.errors import RecipeError
from dianji.spec.document import Origin, read
from dianji.spec.document import Path as Key
from dianji.spec.faults import describe, faults_of
from dianji.spec.partial import remaining_faults
from dianji.spec.places import placed
from dianji.spec.sections import Recipe

_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_NEEDS = "A recipe has at least the keys name, data and stages."


def load(path: str | Path) -> Recipe:
    """Read a recipe from a YAML file; relative paths in it are taken from the file's folder.

    Raises:
        RecipeError: the file cannot be read, or holds faults; all of them are named.
    """
    path = Path(path)
    return parse(_text(path), source=str(path), folder=path.absolute().parent)


def parse(recipe: str | Mapping[str, Any], *, source: str = "recipe", folder: Path | None = None) -> Recipe:
    """Read a recipe from YAML text or plain values; relative paths start at ``folder``, by default the working one.

    Raises:
        RecipeError: every fault, each as ``bank.yaml, line 14: stages.intent.trian: unknown key. …``.
    """
    value, origin, faults = read(recipe, source) if isinstance(recipe, str) else (recipe, Origin(source), [])
    if value is None:
        raise RecipeError(*faults, f"{source}: the recipe is empty. {_NEEDS}")
    if not isinstance(value, Mapping):
        raise RecipeError(*faults, f"{source}: expected a mapping, found {describe(value)}. {_NEEDS}")
    value, endless = _finite(value, origin)
    raw, unset = placed(value, folder or Path.cwd(), origin)
    others = [*endless, *unset]
    try:
        checked = Recipe.model_validate(raw)
    except pydantic.ValidationError as error:
        others += [*faults_of(error, raw, origin, Recipe), *remaining_faults(raw, error, origin)]
        raise RecipeError(*faults, *_in_order(others)) from None
    if faults or others:
        raise RecipeError(*faults, *_in_order([*others, *remaining_faults(raw, None, origin)]))
    return checked.from_origin(origin)


def _in_order(faults: Sequence[str]) -> list[str]:
    """Each once, in the order of the document."""

    def line(fault: str) -> int:
        found = re.match(r".*?, line (\d+): ", fault)
        return int(found[1]) if found else 0

    return sorted(dict.fromkeys(faults), key=line)


def _finite(value: Any, origin: Origin, at: Key = ()) -> tuple[Any, list[str]]:
    """The value without NaN and infinities, and a fault for each, with its key."""
    if isinstance(value, float) and not math.isfinite(value):
        return None, [f"{origin.where(*at)}: expected a finite number, found {value}"]
    if isinstance(value, Mapping):
        found = {key: _finite(item, origin, (*at, key)) for key, item in value.items()}
        kept: Any = {key: item for key, (item, faults) in found.items() if item is not None or not faults}
        return kept, [fault for _, faults in found.values() for fault in faults]
    if isinstance(value, list | tuple):
        items = [_finite(item, origin, (*at, number)) for number, item in enumerate(value)]
        return [item for item, _ in items], [fault for _, faults in items for fault in faults]
    return value, []


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such file. Make a recipe with: dianji init DATA") from None
    except IsADirectoryError:
        raise RecipeError(f"{path}: this is a folder. Give the recipe file in it.") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    mark = _BYTE_ORDER_MARKS.get(data[:2])
    if mark is not None:
        raise RecipeError(f"{path}: the recipe is in {mark}, and UTF-8 was expected. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8. Save the recipe as UTF-8."
        ) from None
