"""A folder of class folders with text files: one row per file, its folder's name as the label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import binary_kind, decode
from dianji.data.files import is_no_data, split_named
from dianji.data.findings import Findings, plural, some
from dianji.data.source import SPLIT, Place, with_sources
from dianji.data.sources.images import visible, warn_of_empty
from dianji.errors import DataError
from dianji.registry import component

_ENDINGS = frozenset({"", ".txt", ".text", ".md"})


@component("source", "text-folders")
@dataclass(frozen=True)
class TextFolders:
    """Columns ``text`` and ``label``; above the classes there may be ``train``, ``validation`` and ``test``."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "folder"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """A row for each file, in the order of their paths. Files outside of class folders are left out and said.

        Raises:
            DataError: not a folder, or no text file in a folder of it.
        """
        root = Path(place.path)
        if not root.is_dir():
            raise DataError(f"{place.path} is not a folder. Expected: one folder of text files per class.")
        found = class_files(root)
        if not found:
            raise DataError(
                f"{place.path} holds no text file in a folder. Expected: one folder of text files per class."
            )
        files = [file for file, _, _ in found]
        others = [str(file.relative_to(root)) for file in visible(root) if file not in set(files)]
        if others:
            findings.warn(
                f"{place.name}: {plural(len(others), 'file')} outside of classes left out ({some(others, 5)})"
            )
        warn_of_empty(root, files, place, findings)
        columns = {
            "text": pa.array([_text(file, root, encoding, findings) for file in files], pa.string()),
            "label": pa.array([label for _, label, _ in found], pa.string()),
        }
        if any(split for *_, split in found):
            columns[SPLIT] = pa.array([split for *_, split in found], pa.string())
        _shorten(findings)
        return with_sources(pa.table(columns), [file.relative_to(root).as_posix() for file in files])


def is_class_folders(root: Path) -> bool:
    """Whether text files lie in at least two class folders, and hardly any lie elsewhere."""
    files = [file for file in visible(root) if not is_no_data(file.name)]
    found = class_files(root)
    labels = {label for _, label, _ in found}
    return len(labels) >= 2 and len(found) >= 0.9 * len(files)


def class_files(root: Path) -> list[tuple[Path, str, str | None]]:
    """(file, class, split) of text files that lie in class folders.

    The first folder is the split if one of them is called train, and the class is the next.
    """
    files = [file for file in visible(root) if file.suffix.lower() in _ENDINGS or file.suffix[1:].isdecimal()]
    parts = [file.relative_to(root).parts[:-1] for file in files]
    splits = [split_named(folders[0]) if folders else None for folders in parts]
    divided = "train" in splits
    found = []
    for file, folders, split in zip(files, parts, splits, strict=True):
        classes = folders[1:] if divided and split else folders
        if classes and not is_no_data(file.name) and not (divided and split is None):
            found.append((file, classes[0], split if divided else None))
    return found


def _text(file: Path, root: Path, encoding: str, findings: Findings) -> str | None:
    """The text of a file; an empty file is an empty text."""
    name = file.relative_to(root).as_posix()
    data = file.read_bytes()
    if not data.strip():
        return ""
    if binary_kind(data):
        findings.fault(f"{name} is {binary_kind(data)}, not text. Remove it, or convert it to text.")
        return None
    try:
        return decode(Place(str(file), name, content=data), encoding, findings).strip()
    except DataError as error:
        findings.fault(str(error))
        return None


def _shorten(findings: Findings) -> None:
    """One warning for all files whose encoding was guessed."""
    guessed = [warning for warning in findings.warnings if "the most plausible encoding" in warning]
    if len(guessed) > 1:
        kept = [warning for warning in findings.warnings if warning not in set(guessed)]
        findings.warnings[:] = [*kept, f"{guessed[0]} ({len(guessed) - 1:,} more files were read by such a guess)"]
