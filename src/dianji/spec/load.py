"""Reads a recipe's text as sections: every fault at once, each with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from dianji.errors import RecipeError
from dianji.spec.document import Origin, read
from dianji.spec.faults import describe, faults_of
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
    raw, unset = placed(value, folder or Path.cwd(), origin)
    faults = [*faults, *unset]
    try:
        checked = Recipe.model_validate(raw)
    except pydantic.ValidationError as error:
        raise RecipeError(*faults, *faults_of(error, raw, origin, Recipe)) from None
    if faults:
        raise RecipeError(*faults)
    return checked.from_origin(origin)


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
