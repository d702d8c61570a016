"""Paths in a recipe: environment variables filled in, relative ones made absolute from the recipe's own folder."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dianji.spec.document import Origin

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_MAGIC = re.compile(r"[*?[]")

#: Where a path may stand, beside what decides whether it is one.
_Key = tuple[str | int, ...]


def placed(raw: Mapping[str, Any], folder: Path, origin: Origin) -> tuple[dict[str, Any], list[str]]:
    """A copy of a raw recipe with its paths filled in and absolute, and the faults found on the way.

    Values of a wrong type are not changed: the sections report them.
    """
    faults: list[str] = []
    result = _copy(raw)
    for place, resolve in _places(result):
        *parents, last = place
        holder = result
        for part in parents:
            holder = holder[part]
        text = holder[last]
        if isinstance(text, str):
            missing = unset(text)
            faults += [_unset_fault(name, origin.where(*place)) for name in missing]
            holder[last] = text if missing else resolve(fill_in(text), folder)
    return result, faults


def unset(text: str) -> list[str]:
    """Names of the environment variables that ``text`` asks for and that have neither a value nor a default."""
    return [m["name"] for m in _VARIABLE.finditer(text) if m["name"] not in os.environ and m["default"] is None]


def fill_in(text: str) -> str:
    """``${NAME}`` and ``${NAME:-default}`` replaced. An empty variable counts as unset where there is a default."""
    return _VARIABLE.sub(lambda m: os.environ.get(m["name"]) or m["default"] or "", text)


def file_path(text: str, folder: Path) -> str:
    """A file, folder or glob, absolute; a URL is left alone."""
    if "://" in text:
        return text
    path = Path(text).expanduser()
    if path.is_absolute():
        return str(path)
    joined = os.path.normpath(folder / path)
    if _MAGIC.search(text) and not Path(joined).exists():
        return os.path.normpath(Path(glob.escape(str(folder))) / path)
    return joined


def name_or_path(text: str, folder: Path) -> str:
    """A registered name or Hub id as it is; a folder (``./x``, ``../x``, ``~/x``, or an existing ``x/y``) absolute.

    A name without a slash is never a folder: a folder beside the recipe must not take the place of a registered base.
    """
    path = Path(text).expanduser()
    is_path = text.startswith(("./", "../", "~", ".\\", "..\\")) or text in {".", ".."}
    there = "/" in text and os.path.lexists(folder / path)
    return file_path(text, folder) if is_path or there else text


def _places(raw: Mapping[str, Any]) -> Iterator[tuple[_Key, Callable[[str, Path], str]]]:
    yield from _existing(raw, ("base",), name_or_path)
    for name, data in _items(raw.get("data")):
        resolve = name_or_path if isinstance(data, Mapping) and data.get("format") == "hub" else file_path
        for keys in (("path",), ("split", "validation"), ("split", "test")):
            yield from _existing(raw, ("data", name, *keys), resolve)
    stages = dict(_items(raw.get("stages")))
    for name, stage in stages.items():
        if isinstance(stage, Mapping) and stage.get("from") not in list(stages):
            yield from _existing(raw, ("stages", name, "from"), name_or_path)
    compare = raw.get("compare")
    at: _Key = ("compare", "variants") if isinstance(compare, Mapping) else ("compare",)
    variants = compare.get("variants") if isinstance(compare, Mapping) else compare
    for index, variant in enumerate(variants if isinstance(variants, list) else []):
        if isinstance(variant, Mapping) and isinstance(variant.get("from"), str) and variant["from"] not in stages:
            yield (*at, index, "from"), name_or_path


def _existing(
    raw: Mapping[str, Any], place: _Key, resolve: Callable[[str, Path], str]
) -> Iterator[tuple[_Key, Callable[[str, Path], str]]]:
    value: Any = raw
    for part in place:
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        yield from (((*place, index), resolve) for index in range(len(value)))
    elif value is not None:
        yield place, resolve


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, Mapping) else ()


def _copy(value: Any) -> Any:
    """A copy of mappings and lists (aliases of one list must not be resolved twice); leaves are shared."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _unset_fault(name: str, where: str) -> str:
    return (
        f"{where}: the environment variable {name} is not set and has no default. "
        f"Set it, or write ${{{name}:-a/default/path}}."
    )
