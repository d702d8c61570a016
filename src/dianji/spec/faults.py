"""Pydantic's faults in a recipe's words: expected, found, advice."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails

from dianji.errors import did_you_mean
from dianji.spec.document import LISTED, Origin, Path

_EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "null",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} of them",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} of them",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "letters, digits, '_', '.' and '-', the first one a letter or digit",
}
#: Branches of unions whose names stand in the middle of a place.
_BRANCHES = ("str", "dict[]")


def faults_of(
    error: pydantic.ValidationError, value: Any, origin: Origin, model: type[Any], at: Path = ()
) -> list[str]:
    """One line for each place at fault, in the document's order; ``at`` is where ``value`` stands in the recipe."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        by_place.setdefault(written(item["loc"], value), []).append(item)
    lines = [
        (origin.line(*at, *place) or 0, _fault(place, items, origin, model, at)) for place, items in by_place.items()
    ]
    return [fault for _, fault in sorted(lines, key=lambda pair: pair[0])]


def describe(value: Any) -> str:
    """A value as a recipe's reader knows it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {value!r:.60}"
        case int() | float():
            return f"the number {value}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"{value!r:.60}"


def written(loc: Sequence[str | int], value: Any) -> Path:
    """``loc`` as a place of the recipe: without branches of unions. The last part may name a key that is missing."""
    path: list[str | int] = []
    for part in loc:
        if isinstance(value, Mapping):
            if part == "[key]":
                break
            if part not in value and part in _BRANCHES:
                continue
            path.append(part)
            value = value.get(str(part))
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
        elif isinstance(value, list) and part == LISTED:  # the list stands for the section that would hold it
            path.append(part)
        else:
            break
    return tuple(path)


def _fault(place: Path, items: Sequence[ErrorDetails], origin: Origin, model: type[Any], at: Path) -> str:
    first = items[0]
    match first["type"]:
        case "missing":
            *parent, name = (*at, *place)
            return f"{origin.where(*parent)}: the key '{name}' is missing"
        case "extra_forbidden":
            name = str(place[-1])
            return f"{origin.where(*at, *place)}: unknown key. {did_you_mean(name, _keys(model, place[:-1]))}"
        case "value_error":
            return f"{origin.where(*at, *place)}: {first['msg'].removeprefix('Value error, ')}"
        case "literal_error" if isinstance(first["input"], str):
            known = re.findall(r"'([^']*)'", first["ctx"]["expected"])
            return (
                f"{origin.where(*at, *place)}: unknown value '{first['input']}'. {did_you_mean(first['input'], known)}"
            )
    expected = _unique(_expected(item) for item in items)
    found = f"{describe(first['input'])}{_advice(items, first['input'])}"
    return f"{origin.where(*at, *place)}: expected {' or '.join(expected)}, found {found}"


def _expected(item: ErrorDetails) -> str:
    template = _EXPECTED.get(item["type"])
    if template is None:
        return f"something else ({item['msg']})"
    return template.format(**{key: _plain(value) for key, value in item.get("ctx", {}).items()})


def _advice(items: Sequence[ErrorDetails], found: Any) -> str:
    """Advice, where there is any."""
    kinds = {item["type"] for item in items}
    if isinstance(found, str) and kinds & {"int_type", "float_type"} and re.fullmatch(r"[-+.\deE]+", found):
        return ". Write it without quotes."
    if isinstance(found, str) and "bool_type" in kinds and found.lower() in {"yes", "no", "on", "off"}:
        return f". Write {'true' if found.lower() in {'yes', 'on'} else 'false'}."
    if isinstance(found, bool | int | float) and "string_type" in kinds and kinds <= {"string_type", "list_type"}:
        return ". Write it in quotes if it is meant as text."
    return ""


def _keys(model: type[Any], place: Path) -> list[str]:
    """The keys that the section at ``place`` knows."""
    hint: Any = model
    for part in place:
        hint = _plainly(hint)
        if isinstance(hint, type) and issubclass(hint, pydantic.BaseModel):
            hint = next(f.annotation for name, f in hint.model_fields.items() if (f.alias or name) == part)
        else:  # dict[str, Section] or list[Section]
            hint = get_args(hint)[-1]
    return [field.alias or name for name, field in _plainly(hint).model_fields.items()]


def _plainly(hint: Any) -> Any:
    """The type without its annotations, and without the other branches of a union."""
    while get_origin(hint) in {Annotated, Union, types.UnionType}:
        named = [branch for branch in get_args(hint) if _holds_sections(branch)]
        hint = named[0] if named and get_origin(hint) is not Annotated else get_args(hint)[0]
    return hint


def _holds_sections(hint: Any) -> bool:
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(hint) is dict or (isinstance(hint, type) and issubclass(hint, pydantic.BaseModel))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
