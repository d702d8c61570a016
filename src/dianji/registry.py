"""Who there is: every component by kind and name, found in its package or in a plug-in's entry points."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import re
import types
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, TypeVar, get_type_hints

import pydantic

from dianji.errors import RecipeError, did_you_mean

T = TypeVar("T")

#: Where the built-in components of a kind live. A plug-in adds to a kind by the entry point group ``dianji.<kind>``.
HOMES: Mapping[str, str | tuple[str, ...]] = types.MappingProxyType(
    {
        "source": "dianji.data.sources",
        "column": "dianji.data.columns",
        "base": "dianji.bases",
        "processor": "dianji.bases.processors",
        "architecture": ("dianji.bases.text", "dianji.bases.image"),
        "task": "dianji.tasks",
        "adaptation": "dianji.adapt",
        "technique": "dianji.techniques",
        "procedure": "dianji.procedures",
        "selection": "dianji.selections",
        "metric": "dianji.evaluate.metrics",
        "baseline": "dianji.evaluate.baselines",
        "optimizer": "dianji.engine.optimizers",
        "schedule": "dianji.engine.schedules",
    }
)


@dataclasses.dataclass(frozen=True, order=True)
class Key:
    """What a component is registered under. ``str(Key("task", "x", 1)) == "x@1"``."""

    kind: str
    name: str
    version: int = 1

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def component(kind: str, name: str, version: int = 1) -> Callable[[type[T]], type[T]]:
    """Register a frozen dataclass; its fields are what a recipe may say about it.

    Raises:
        ValueError: the kind is unknown, the name is not kebab-case, or the name is taken.
    """
    if kind not in HOMES:
        raise ValueError(f"unknown kind of component '{kind}'. {did_you_mean(kind, HOMES)}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"component name '{name}' is not kebab-case")

    def register(cls: type[T]) -> type[T]:
        key = Key(kind, name, version)
        taken = REGISTRY.classes.get(key)
        if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{kind} '{key}' is registered twice: {taken} and {cls}")
        REGISTRY.classes[key] = cls
        cls.__component__ = key  # type: ignore[attr-defined]  # read back by key_of
        return cls

    return register


class Registry:
    """Finds components by name. The built-in ones are discovered when their kind is first asked for."""

    def __init__(self) -> None:
        self.classes: dict[Key, type[Any]] = {}
        self._discovered: set[str] = set()

    def discover(self, kind: str) -> None:
        """Import every module in the kind's package, then what plug-ins offer. Once per process."""
        if kind in self._discovered:
            return
        for package in _packages(kind):
            home = importlib.import_module(package)
            for module in pkgutil.iter_modules(getattr(home, "__path__", [])):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{home.__name__}.{module.name}")
        for entry in entry_points(group=f"dianji.{kind}"):
            entry.load()
        self._discovered.add(kind)

    def names(self, kind: str) -> dict[str, type[Any]]:
        """Short name -> the newest version's class, sorted by name; older versions as ``name@version``."""
        self.discover(kind)
        found: dict[str, type[Any]] = {}
        for key, cls in sorted(self.classes.items()):
            if key.kind == kind:
                found[str(key)] = cls
                found[key.name] = cls
        newest = {cls: name for name, cls in found.items() if "@" not in name}
        return {name: cls for name, cls in sorted(found.items()) if "@" not in name or cls not in newest}

    def get(self, kind: str, name: str) -> type[Any]:
        """The class registered as ``name`` (newest version) or ``name@version``.

        Raises:
            RecipeError: there is none; the message suggests close names.
        """
        known = self.names(kind)
        if name in known:
            return known[name]
        for key, cls in self.classes.items():
            if key.kind == kind and str(key) == name:
                return cls
        raise RecipeError(f"there is no {kind} '{name}'. {did_you_mean(name, known)}")

    def build(self, kind: str, name: str, arguments: Mapping[str, Any]) -> Any:
        """Make the component from what a recipe says; types are checked strictly.

        Raises:
            RecipeError: with one fault for each unknown argument and each wrong value.
        """
        cls = self.get(kind, name)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        unknown = [key for key in arguments if key not in fields]
        if unknown:
            hints = {key: did_you_mean(key, fields) for key in unknown}
            raise RecipeError(*(f"{kind} '{name}' takes no argument '{key}'. {hint}" for key, hint in hints.items()))
        try:
            # Through JSON, so that strict types still let a list stand for a tuple and 1 for 1.0.
            return pydantic.TypeAdapter(cls).validate_json(json.dumps(dict(arguments)), strict=True)
        except pydantic.ValidationError as error:
            raise RecipeError(*(f"{kind} '{name}': {fault}" for fault in explain(error))) from None
        except TypeError:
            expected = "plain values (numbers, text, lists, mappings)"
            raise RecipeError(f"{kind} '{name}': its arguments must be {expected}, found {arguments!r:.200}") from None


def _packages(kind: str) -> tuple[str, ...]:
    home = HOMES[kind]
    return (home,) if isinstance(home, str) else home


def explain(error: pydantic.ValidationError) -> list[str]:
    """Pydantic's faults in the words of a recipe: ``where: what was expected (found what)``."""
    faults = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        found = "" if item["type"] == "missing" else f" (found {item['input']!r:.80})"
        faults.append(f"{where}: {message}{found}" if where else f"{message}{found}")
    return faults


def key_of(instance: object) -> Key:
    """The key a component was registered under."""
    key = getattr(instance, "__component__", None)
    if not isinstance(key, Key):
        raise TypeError(f"{instance!r} is not a registered component")
    return key


def record_of(instance: Any) -> dict[str, Any]:
    """``{"name": "lora@1", "arguments": {...}}``, every default written out; ``from_record`` is its inverse."""
    arguments = pydantic.TypeAdapter(type(instance)).dump_python(instance, mode="json")
    return {"name": str(key_of(instance)), "arguments": arguments}


def from_record(kind: str, record: Mapping[str, Any]) -> Any:
    """``from_record(kind, record_of(c)) == c``."""
    return REGISTRY.build(kind, record["name"], record["arguments"])


def arguments_of(cls: type[Any]) -> dict[str, tuple[Any, Any]]:
    """Argument -> (type, default) of a component, for listings and schemas; ``MISSING`` where it is owed."""
    hints = get_type_hints(cls)
    return {f.name: (hints[f.name], _default(f)) for f in dataclasses.fields(cls) if f.init}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


REGISTRY = Registry()
