"""The recipe's JSON schema, from which editors complete and check while a recipe is written."""

from __future__ import annotations

from typing import Any

from dianji.registry import REGISTRY
from dianji.spec.arguments import Argument, arguments, summary
from dianji.spec.section import KIND
from dianji.spec.sections import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Kinds that a recipe names as ``name`` or ``{name: {argument: value}}``.
_KINDS = ("task", "adaptation", "technique", "optimizer", "schedule", "procedure", "selection")
_CLOSED = {"additionalProperties": False}


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a recipe with every component that is registered, plug-ins too.

    Looking the components up imports them, and so torch.
    """
    schema = Recipe.model_json_schema(by_alias=True)
    parts = {name: part for name, part in schema.pop("$defs").items() if name not in {"Component", "NewBase"}}
    parts |= {kind: _kind(kind) for kind in _KINDS}
    parts["base"] = _base()
    parts["Data"] = {**parts["Data"], "allOf": [_options(name, cls) for name, cls in REGISTRY.names("source").items()]}
    parts["Data"]["properties"]["format"]["examples"] = ["auto", *REGISTRY.names("source")]
    parts["Variant"] = {"anyOf": [{"type": "string", "description": "a stage as it is"}, parts["Variant"]]}
    parts["Compare"] = {"anyOf": [parts["Compare"]["properties"]["variants"], parts["Compare"]]}
    described: dict[str, Any] = _with_kinds({**schema, "$defs": dict(sorted(parts.items()))})
    return {"$schema": DIALECT, **described}


def _with_kinds(value: Any) -> Any:
    """Refer to the kind where the sections say "a component of this kind"; drop titles, which repeat the key."""
    if isinstance(value, list):
        return [_with_kinds(item) for item in value]
    if not isinstance(value, dict):
        return value
    refined = {key: _with_kinds(item) for key, item in value.items() if key != "title" or not isinstance(item, str)}
    if "patternProperties" in refined:
        refined |= _CLOSED
    kind = refined.pop(KIND, None)
    return refined if kind is None else {"$ref": f"#/$defs/{kind}", **refined}


def _kind(kind: str) -> dict[str, Any]:
    classes = REGISTRY.names(kind)
    # A component with an argument that is owed cannot be written as its bare name.
    bare = [_name(name, cls) for name, cls in classes.items() if not any(a.required for a in arguments(cls))]
    written = [_with_arguments(name, cls) for name, cls in classes.items()]
    return {"description": f"{kind}: its name, or {{name: {{argument: value}}}}", "oneOf": [*bare, *written]}


def _with_arguments(name: str, cls: type[Any]) -> dict[str, Any]:
    given = {"anyOf": [_arguments(cls), {"type": "null"}]}
    return {
        "type": "object",
        "description": summary(cls),
        "properties": {name: given},
        "required": [name],
        **_CLOSED,
    }


def _name(name: str, cls: type[Any]) -> dict[str, Any]:
    return {"const": name, "description": summary(cls)}


def _arguments(cls: type[Any]) -> dict[str, Any]:
    found = arguments(cls)
    properties = {argument.name: _argument(argument) for argument in found}
    required = [argument.name for argument in found if argument.required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), **_CLOSED}


def _argument(argument: Argument) -> dict[str, Any]:
    note = {"description": argument.description} if argument.description else {}
    return {**argument.schema, **note}


def _base() -> dict[str, Any]:
    names = [_name(name, cls) for name, cls in REGISTRY.names("base").items()]
    new = [_new(name, cls) for name, cls in REGISTRY.names("architecture").items()]
    description = (
        "a registered base, a Hub id, a folder, in 'from' also a stage, or {new: architecture, argument: value}"
    )
    return {"description": description, "anyOf": [*names, {"type": "string"}, *new]}


def _new(name: str, cls: type[Any]) -> dict[str, Any]:
    schema = _arguments(cls)
    return {
        **schema,
        "description": f"architecture for {cls.modality}: {summary(cls)}",
        "properties": {"new": {"const": name}, **schema["properties"]},
        "required": ["new", *schema.get("required", ())],
    }


def _options(name: str, cls: type[Any]) -> dict[str, Any]:
    named = {"properties": {"format": {"const": name}}, "required": ["format"]}
    return {"if": named, "then": {"properties": {"options": _arguments(cls)}}}
