"""Locate, the line's first step: what a path stands for, and that it is there."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dianji.data.files import dangling
from dianji.data.line import Flow, Request
from dianji.data.source import Peekable, Place
from dianji.errors import DataError, did_you_mean
from dianji.registry import REGISTRY

STANDARD_INPUT = "-"


def locate(request: Request) -> Flow:
    """The data's own files, folders or ids, then the files given for validation and test.

    Raises:
        DataError: no path is given, or something does not exist.
        RecipeError: the recipe names a format that does not exist.
    """
    spec = request.spec
    # A format that data to predict need not have: it is told by the file, and takes the recipe's options if it agrees.
    format_, options = ("auto", {}) if request.lenient else (spec.format, spec.options)
    service = format_ != "auto" and REGISTRY.get("source", format_).reads == "service"
    places = list(_service(request) if service else _located(spec.path, format_, options, request))
    for split, path in (("validation", spec.split.validation), ("test", spec.split.test)):
        if isinstance(path, str):
            given = ("auto", {}) if service else (format_, options)
            places += [replace(place, split=split, given=True) for place in _located(path, *given, request)]
    return Flow(request, places=tuple(places))


def _service(request: Request) -> Iterator[Place]:
    """Ids of a service. A folder of the Hub's layout needs neither the Hub nor its package."""
    spec = request.spec
    if spec.path is None:
        yield Place("", request.section, format=spec.format, options=spec.options)
        return
    for path in [spec.path] if isinstance(spec.path, str) else spec.path:
        if Path(path).is_dir():
            yield Place(path, Path(path).name)
        else:
            yield Place(path, path, format=spec.format, options=spec.options)


def _located(
    path: str | Sequence[str] | None, format_: str, options: Mapping[str, object], request: Request
) -> Iterator[Place]:
    if path is None:
        raise DataError(
            f"{request.section}: path is missing. Write the file, the folder or the glob that holds the rows."
        )
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        raise DataError("path is an empty list: at least one file is needed.")
    if paths == [STANDARD_INPUT]:
        yield _standard_input(format_, options, request)
        return
    folders = format_ != "auto" and REGISTRY.get("source", format_).reads == "folder"
    for item in paths:
        for found in _existing(Path(item).expanduser(), folders=folders):
            yield Place(str(found), found.name, format=format_, options=options)


def _standard_input(format_: str, options: Mapping[str, object], request: Request) -> Place:
    here = Place(STANDARD_INPUT, "standard input", format=format_, options=options)
    if request.chunks:
        return replace(here, live=Peekable(sys.stdin.buffer))
    return replace(here, content=sys.stdin.buffer.read())


def _existing(path: Path, *, folders: bool) -> list[Path]:
    if path.exists():
        return [path]
    if path.is_symlink():
        raise DataError(dangling(path))
    if any(sign in str(path) for sign in "*?["):
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        for file in found:
            if file.is_symlink() and not file.exists():
                raise DataError(dangling(file))
        files = [file for file in found if file.is_file() or (folders and file.is_dir())]
        if not files:
            raise DataError(f"no file matches {path}. Check the pattern; it is relative to {Path.cwd()}.")
        return files
    raise DataError(f"{path} does not exist. {_nearby(path)}")


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either; paths are relative to {Path.cwd()}."
    return did_you_mean(path.name, [item.name for item in path.parent.iterdir() if not item.name.startswith(".")])
