"""``dianji.json`` of an index: what it is made of, by digest, and the sha256 of every file beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dianji.artefact.manifest import INDEX, NAME
from dianji.errors import ArtefactError
from dianji.store.atomic import write_json
from dianji.store.digest import digest_files

FORMAT = 1


@dataclass(frozen=True)
class DocumentsRecord:
    """The documents."""

    digest: str  # over ids and texts
    count: int
    path: str  # as it was given


@dataclass(frozen=True)
class PassagesRecord:
    """How documents were cut; see ``passages.Cut``."""

    count: int
    length: int
    overlap: int
    unit: str  # "token" of the model, or "word"


@dataclass(frozen=True)
class ModelRecord:
    """The model whose vectors these are; see ``encoder.Encoder``."""

    spec: str
    name: str
    digest: str
    task: dict[str, Any]
    width: int


@dataclass(frozen=True)
class IndexManifest:
    """Law: ``IndexManifest.read(folder)`` after ``m.write(folder)`` gives ``m`` with ``files`` filled in."""

    digest: str
    documents: DocumentsRecord
    passages: PassagesRecord
    model: ModelRecord | None  # None: BM25 alone
    approximate: dict[str, Any] | None  # see ``approximate.Measured``
    versions: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    kind: str = INDEX
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write ``dianji.json`` last, when all other files are there."""
        write_json(folder / NAME, {**asdict(self), "files": dict(digest_files(folder, skip=[NAME]))})

    @classmethod
    def read(cls, folder: Path) -> IndexManifest:
        """Read and check the shape, not the files.

        Raises:
            ArtefactError: not an index, damaged, or from a newer Dianji.
        """
        path = folder / NAME
        if not path.is_file():
            found = "no dianji.json in it" if folder.is_dir() else "a file" if folder.exists() else "nothing"
            raise ArtefactError(f"{folder}: not an index: expected a folder that `dianji index` made, found {found}.")
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            if value.get("kind") != INDEX:
                raise ArtefactError(
                    f"{folder}: a model, not an index. Make an index with it: "
                    f"dianji index DOCUMENTS --model {folder} --out INDEX"
                )
            if value["format"] > FORMAT:
                raise ArtefactError(
                    f"{path}: written by a newer Dianji (format {value['format']}, this one reads up to {FORMAT}). "
                    "Upgrade with `pip install --upgrade dianji`."
                )
            parts = {
                "documents": DocumentsRecord(**value["documents"]),
                "passages": PassagesRecord(**value["passages"]),
                "model": None if value["model"] is None else ModelRecord(**value["model"]),
            }
            return cls(**{**value, **parts})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"{path}: damaged ({error}). Restore the folder, or make the index again.") from error

    def check_files(self, folder: Path) -> None:
        """Compare every file with its digest.

        Raises:
            ArtefactError: names every file that is missing, changed or added.
        """
        found = digest_files(folder, skip=[NAME])
        names = sorted(name for name in self.files.keys() | found.keys() if self.files.get(name) != found.get(name))
        if names:
            raise ArtefactError(
                f"{folder}: {len(names)} of its files are not what was saved: {', '.join(names[:10])}. Restore the "
                "folder, or make the index again."
            )


def is_index(folder: Path) -> bool:
    """Whether the folder's ``dianji.json`` says that it is an index."""
    try:
        value = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("kind") == INDEX
