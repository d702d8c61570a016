"""``dianji.json``: identity and lineage of an artefact, and the sha256 of every file beside it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dianji.errors import ArtefactError
from dianji.store.atomic import write_json
from dianji.store.digest import digest_files

NAME = "dianji.json"
#: Folder of an artefact of several parts that holds an artefact for each.
PARTS = "parts"
FORMAT = 1
#: ``kind`` in the ``dianji.json`` of a folder that is no model: see ``dianji.retrieval.manifest``.
INDEX = "index"


@dataclass(frozen=True)
class Parent:
    """A parent of an artefact: a base or an earlier stage."""

    kind: str  # "base" or "stage"
    name: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """Law: ``Manifest.read(folder)`` after ``m.write(folder)`` gives ``m`` with ``files`` filled in."""

    recipe: str
    stage: str
    digest: str  # of the step
    seed: int
    task: dict[str, Any]  # registry record with what the task learnt: label names and the like
    adaptation: dict[str, Any]
    techniques: list[dict[str, Any]]
    base: dict[str, Any]  # the card of its base
    parents: list[Parent]
    data: dict[str, str]  # name -> digest
    training: dict[str, Any]
    versions: dict[str, str]
    #: The name of the part, in the folder of one part of a stage with several …
    part: str = ""
    #: … whose own folder names all of them; each lies in ``parts/<name>``.
    parts: list[str] = field(default_factory=list)
    format: int = FORMAT
    columns: dict[str, str | list[str]] = field(
        default_factory=dict
    )  # what the task calls a column -> what its data call it
    loader: dict[str, str] = field(default_factory=dict)  # see ``dianji.artefact.loader``
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``dianji.json`` last, when all other files are there."""
        write_json(folder / NAME, {**asdict(self), "files": dict(digest_files(folder, skip=[NAME]))})

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read and check the shape, not the files.

        Raises:
            ArtefactError: not an artefact, damaged, or from a newer Dianji.
        """
        path = folder / NAME
        if not path.is_file():
            found = "an empty or missing folder" if not folder.is_dir() else "no dianji.json in it"
            raise ArtefactError(f"{folder}: not an artefact: expected a folder that a stage left, found {found}.")
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value.get("kind") == INDEX:
                raise ArtefactError(
                    f"{folder}: an index of documents, not a model. Search it: dianji search {folder} TEXT"
                )
            if value["format"] > FORMAT:
                raise ArtefactError(
                    f"{path}: written by a newer Dianji (format {value['format']}, this one reads up to {FORMAT}). "
                    "Upgrade with `pip install --upgrade dianji`."
                )
            return cls(**{**value, "parents": [Parent(**parent) for parent in value["parents"]]})
        except (ValueError, KeyError, TypeError) as error:
            raise ArtefactError(f"{path}: damaged ({error}). Restore the folder, or run its recipe again.") from error

    def check_files(self, folder: Path) -> None:
        """Compare every file with its digest.

        Raises:
            ArtefactError: names every file that is missing, changed or added.
        """
        found = digest_files(folder, skip=[NAME])
        faults = [f"{name}: missing" for name in sorted(self.files.keys() - found.keys())]
        faults += [f"{name}: not part of the artefact" for name in sorted(found.keys() - self.files.keys())]
        common = sorted(self.files.keys() & found.keys())
        faults += [f"{name}: changed (its sha256 differs)" for name in common if self.files[name] != found[name]]
        if faults:
            raise ArtefactError(
                f"{folder}: {len(faults)} of its files are not what was saved:\n  "
                + "\n  ".join(faults)
                + "\nThis is not the model that was evaluated. Restore the folder, or run its recipe again."
            )


def versions() -> dict[str, str]:
    """The versions of the software of this run, for its reproduction."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("dianji", "torch", "transformers", "tokenizers", "peft", "accelerate", "numpy", "pyarrow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
