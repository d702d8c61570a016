"""What a recipe's path stands for: files, in a fixed order, each with a short name and perhaps a split."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dianji.data.source import Place
from dianji.errors import DataError, did_you_mean

#: What splits are called out there -> what we call them.
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
#: Files that lie beside data and are none: notes, licences, a data set's own description.
_NOT_DATA = re.compile(
    r"^(\..*|_.*|readme.*|licen[cs]e.*|notice.*|source\.txt|dataset_infos?\.json|checksums?.*)$", re.IGNORECASE
)


def split_named(name: str) -> str | None:
    """The split that a name announces: ``train-00000-of-00002.parquet`` -> train, ``dev.txt`` -> validation."""
    words = re.split(r"[^A-Za-z]+", name.split("/")[-1])
    found = [_SPLIT_WORDS[word.lower()] for word in words if word.lower() in _SPLIT_WORDS]
    return found[0] if found else None


def expand(path: str | Sequence[str], *, whole: bool = False) -> list[Place]:
    """The files behind a path, a glob, a folder, ``-``, or several of them. ``whole``: folders stay as they are.

    Raises:
        DataError: nothing is there, or a folder holds files for splits beside files for none.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        raise DataError("path is an empty list: at least one file is needed.")
    if paths == ["-"]:
        return [Place("-", "standard input", content=sys.stdin.buffer.read())]
    places: list[tuple[Path, str | None]] = []
    for item in paths:
        places += _expand_one(Path(item).expanduser(), whole)
    names = _names([file for file, _ in places])
    return [Place(str(file), name, split) for (file, split), name in zip(places, names, strict=True)]


def _expand_one(path: Path, whole: bool) -> list[tuple[Path, str | None]]:
    if path.is_dir():
        return [(path, None)] if whole else _folder(path)
    if path.exists():
        return [(path, None)]
    if any(sign in str(path) for sign in "*?["):
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        files = [file for file in found if file.is_file() or (whole and file.is_dir())]
        if not files:
            raise DataError(f"no file matches {path}. Check the pattern; it is relative to {Path.cwd()}.")
        return [(file, None) for file in files]
    raise DataError(f"{path} does not exist. {_nearby(path)}")


def _folder(folder: Path) -> list[tuple[Path, str | None]]:
    """Data files of a folder. Where their names say train and test, these are the splits."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(_NOT_DATA.match(part) for part in file.relative_to(folder).parts)
    )
    if not files:
        raise DataError(f"the folder {folder} holds no data file.")
    splits = [split_named(file.name) or _folder_split(file, folder) for file in files]
    if "train" not in splits:
        return [(file, None) for file in files]
    rest = [file.name for file, split in zip(files, splits, strict=True) if split is None]
    if rest:
        raise DataError(
            f"{folder}: some files are named after splits and {', '.join(rest[:5])} is not. Name the files to "
            f"read: path: [train.csv], split: {{test: test.csv}}."
        )
    return list(zip(files, splits, strict=True))


def _folder_split(file: Path, root: Path) -> str | None:
    folders = file.relative_to(root).parts[:-1]
    return next((split for split in map(split_named, folders) if split), None)


def _names(files: Sequence[Path]) -> list[str]:
    """The files' own names; where two are alike, their paths below the common folder."""
    counts = Counter(file.name for file in files)
    if max(counts.values()) == 1:
        return [file.name for file in files]
    common = os.path.commonpath([file.parent for file in files])
    return [
        file.relative_to(common).as_posix() if counts[file.name] > 1 and file.is_relative_to(common) else file.name
        for file in files
    ]


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either; paths are relative to {Path.cwd()}."
    return did_you_mean(path.name, [item.name for item in path.parent.iterdir() if not item.name.startswith(".")])


def digest_of(parts: Iterable[tuple[str, Path]]) -> str:
    """sha256 over (role, bytes) of files in their order; paths do not enter."""
    total = hashlib.sha256(b"dianji-data-1")
    for role, path in parts:
        total.update(f"\n{role}\n".encode())
        total.update(file_digest(path))
    return total.hexdigest()


def file_digest(path: Path) -> bytes:
    """sha256 of a file's bytes, remembered while its size and time of change stay the same.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        stat = path.stat()
        return _file_digest(str(path), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path and its permissions.") from None


@functools.lru_cache(maxsize=65536)
def _file_digest(path: str, size: int, changed: int) -> bytes:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
