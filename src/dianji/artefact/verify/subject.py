"""The folder under verification: its manifest and its documents. Opens no model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from dianji.artefact.manifest import NAME, Manifest
from dianji.artefact.verify.verdict import Fault
from dianji.errors import ArtefactError, DianjiError
from dianji.registry import explain, from_record
from dianji.tasks.base import Task


@dataclass(frozen=True)
class Subject:
    """The input of all checks."""

    folder: Path
    manifest: Manifest

    def task(self) -> Task:
        """The fitted task.

        Raises:
            RecipeError: it is not registered here, or its arguments are impossible.
        """
        found: Task = from_record("task", self.manifest.task)
        return found

    def document(self, name: str) -> Any:
        """``evidence/<name>.json``.

        Raises:
            ArtefactError: missing or damaged.
        """
        path = self.folder / "evidence" / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ArtefactError(f"cannot be read ({error})") from error


@dataclass
class Faults:
    """Collects faults."""

    found: list[Fault] = field(default_factory=list)

    def add(self, place: str, message: str) -> None:
        """Add a fault."""
        self.found.append(Fault(place, message))

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Report any failure to read inside the block as a fault of ``place``: a forger is free to write any shape."""
        try:
            yield
        except DianjiError as error:
            self.add(place, str(error).removeprefix(f"{place}: "))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
            kind = type(error).__name__
            self.add(place, f"is not of the shape that Dianji writes ({kind}: {' '.join(str(error).split())[:200]})")

    def expect(self, place: str, what: str, found: object, expected: object) -> None:
        """Add a fault unless the two are equal."""
        if found != expected:
            self.add(place, f"{what}: expected {_short(expected)}, found {_short(found)}")


def read_manifest(folder: Path, faults: Faults) -> Manifest | None:
    """``dianji.json`` with every field of its type; None if it cannot be relied on."""
    try:
        manifest = Manifest.read(folder)
    except ArtefactError as error:
        faults.add(NAME, str(error).removeprefix(f"{folder / NAME}: "))
        return None
    try:
        pydantic.TypeAdapter(Manifest).validate_json((folder / NAME).read_bytes(), strict=True)
    except pydantic.ValidationError as error:
        for fault in explain(error):
            faults.add(NAME, fault)
        return None
    return manifest


def _short(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:119]}…"
