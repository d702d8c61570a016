"""A folder of class folders with images; also one with ``train``, ``validation`` and ``test`` above the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.files import split_named, whole_files
from dianji.data.findings import Findings, plural, some
from dianji.data.images import SUFFIXES, binary_array, is_image_file
from dianji.data.source import SPLIT, Place, pieces, with_sources
from dianji.errors import DataError
from dianji.registry import component

#: Endings of tables, which may name images.
_TABLES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".parquet"})


@component("source", "images")
@dataclass(frozen=True)
class Images:
    """Two columns: ``image`` (the file's bytes) and ``label`` (the class folder's name; null where there is none)."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "folder"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """A row for each image file, in the order of their paths. Hidden files are no data; others are warned about.

        Raises:
            DataError: not a folder, or no image in it.
        """
        return _table(self._found(place, findings))

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time."""
        for found in pieces(self._found(place, findings), lambda image: image.file.stat().st_size):
            yield _table(found)

    def _found(self, place: Place, findings: Findings) -> list[_Found]:
        root = Path(place.path)
        if root.is_file() and is_image_file(root):
            return [_Found(root, root.parent, None, None)]
        if not root.is_dir():
            raise DataError(
                f"{place.path} is not a folder. The images source reads a folder with one folder of images per class."
            )
        files = visible(root)
        images = [file for file in files if is_image_file(file)]
        if not images:
            raise DataError(
                f"{place.path} holds no image. Expected: one folder per class with files such as "
                f"{', '.join(sorted(SUFFIXES)[:6])}."
            )
        taken = set(images)
        others = [str(file.relative_to(root)) for file in files if file not in taken]
        if others:
            told = f"{len(others)} files are no images and were left out ({some(others, 5)}){_of_tables(others)}"
            findings.warn(f"{place.name}: {told}")
        warn_of_empty(root, images, place, findings)
        parts = [file.relative_to(root).parts[:-1] for file in images]
        splits = [split_named(part[0]) if part else None for part in parts]
        if "train" not in splits:  # a class may be called "test"
            splits = [None] * len(splits)
        labels = [_label(part[1:] if split else part) for part, split in zip(parts, splits, strict=True)]
        return [_Found(*one) for one in zip(images, [root] * len(images), labels, splits, strict=True)]


@dataclass(frozen=True)
class _Found:
    file: Path
    root: Path
    label: str | None
    split: str | None


def _of_tables(others: Sequence[str]) -> str:
    """Advice where a table lies beside images."""
    table = next((name for name in others if Path(name).suffix.lower() in _TABLES), None)
    return f". To read the images that a table names, give the table as the path: {table}" if table else ""


def visible(root: Path) -> list[Path]:
    """Every file below a folder in the order of their paths, without hidden ones.

    Raises:
        DataError: a link leads to nothing.
    """
    return [
        path
        for path in whole_files(root)
        if not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)
    ]


def warn_of_empty(root: Path, files: Sequence[Path], place: Place, findings: Findings) -> None:
    """Folders without a file that is read, also below them: classes that nothing can be learnt of."""
    filled = {folder for file in files for folder in file.parents}
    folders = (path for path in sorted(root.rglob("*")) if path.is_dir() and path not in filled)
    empty = [str(path.relative_to(root)) for path in folders if not path.name.startswith((".", "__MACOSX"))]
    if empty:
        findings.warn(f"{place.name}: {plural(len(empty), 'folder')} without a file that is read ({some(empty, 5)})")


def _label(folders: tuple[str, ...]) -> str | None:
    return folders[0] if folders else None


def _table(found: list[_Found]) -> pa.Table:
    columns = {
        "image": binary_array([one.file.read_bytes() for one in found]),
        "label": pa.array([one.label for one in found], pa.string()),
    }
    if any(one.split for one in found):
        columns[SPLIT] = pa.array([one.split for one in found], pa.string())
    return with_sources(pa.table(columns), [one.file.relative_to(one.root).as_posix() for one in found])
