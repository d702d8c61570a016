"""The arguments of a component: name, type, default and meaning, read from its class."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import re
import tokenize
from collections.abc import Mapping
from typing import Any

import pydantic

from dianji.errors import DianjiError, RecipeError, did_you_mean
from dianji.registry import REGISTRY
from dianji.spec.document import Origin, Path
from dianji.spec.faults import faults_of

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "array": "list",
    "object": "mapping",
}


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a component's constructor. ``schema`` is JSON schema; it holds the default, if there is one."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    description: str = ""

    @property
    def default(self) -> Any:
        """As JSON writes it; None also where the argument is required."""
        return self.schema.get("default")

    @property
    def type(self) -> str:
        """In the recipe's words: ``number``, ``text or null``, ``one of auto, mean``."""
        return _type_in_words(self.schema)


def arguments(cls: type[Any]) -> tuple[Argument, ...]:
    """A component's arguments in the order of its constructor."""
    schema = pydantic.TypeAdapter(cls).json_schema()
    meanings = {**_comments(cls), **_docstring(cls)}
    return tuple(
        Argument(
            name,
            {key: value for key, value in of.items() if key not in {"title", "description"}},
            name in schema.get("required", ()),
            of.get("description") or meanings.get(name, ""),
        )
        for name, of in schema.get("properties", {}).items()
    )


def summary(cls: type[Any]) -> str:
    """The first line of a component's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def check_arguments(kind: str, name: str, given: Mapping[str, Any], origin: Origin, at: Path) -> list[str]:
    """Faults in a component's arguments in a recipe, each with its line; ``at`` is the place of the arguments.

    Raises:
        RecipeError: there is no such component.
    """
    cls = REGISTRY.get(kind, name)
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    unknown = [key for key in given if key not in known]
    faults = [
        f"{origin.where(*at, key)}: {kind} '{name}' takes no argument '{key}'. {did_you_mean(key, known)}"
        for key in unknown
    ]
    fitting = {key: value for key, value in given.items() if key not in unknown}
    try:
        # As the registry does: through JSON, so that a list stands for a tuple.
        pydantic.TypeAdapter(cls).validate_json(json.dumps(fitting), strict=True)
    except pydantic.ValidationError as error:
        faults += faults_of(error, fitting, origin, cls, at)
    except RecipeError as error:
        faults += [f"{origin.where(*at)}: {fault}" for fault in error.faults]
    except (DianjiError, TypeError) as error:
        faults.append(f"{origin.where(*at)}: {kind} '{name}': {error}")
    return faults


def _type_in_words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_type_in_words(branch) for branch in schema["anyOf"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type_in_words(schema['items'])}"
    return _WORDS.get(schema.get("type", ""), "value")


def _docstring(cls: type[Any]) -> dict[str, str]:
    """``name: meaning`` from a Google-style ``Args:`` section; lines that go deeper continue the one before."""
    found: dict[str, str] = {}
    _, _, section = (inspect.getdoc(cls) or "").partition("\nArgs:\n")
    name = ""
    for line in section.splitlines():
        match = re.match(r" {4}(\w+)(?: \([^)]*\))?: (.+)", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith(" " * 6):
            found[name] += " " + line.strip()
        else:
            break
    return found


def _comments(cls: type[Any]) -> dict[str, str]:
    """``name: type = default  # meaning`` from the source, of the class and those it is built on."""
    found: dict[str, str] = {}
    for part in reversed(cls.__mro__[:-1]):
        try:
            source = inspect.getsource(part)
        except (OSError, TypeError):  # made at run time, or by an extension
            continue
        for line in source.splitlines():
            match = re.match(r"\s+(\w+): ", line)
            comment = _comment(line) if match and "#" in line else ""
            if match and comment:
                found[match[1]] = comment
    return found


def _comment(line: str) -> str:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line.strip()).readline))
    except tokenize.TokenError:  # the line opens something that the next one closes
        return ""
    return next((t.string.lstrip("#: ") for t in tokens if t.type == tokenize.COMMENT and "noqa" not in t.string), "")
