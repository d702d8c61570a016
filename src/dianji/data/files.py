"""Files of folders: which hold data, what messages call them, which split their names announce, their digests."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dianji.data.source import Place
from dianji.errors import DataError

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


def is_no_data(name: str) -> bool:
    """Whether a file of this name lies beside data and is none."""
    return bool(_NOT_DATA.match(name))


def split_named(name: str) -> str | None:
    """The split that a name announces: ``train-00000-of-00002.parquet`` -> train, ``dev.txt`` -> validation."""
    words = re.split(r"[^A-Za-z]+", name.split("/")[-1])
    found = [_SPLIT_WORDS[word.lower()] for word in words if word.lower() in _SPLIT_WORDS]
    return found[0] if found else None


def listing(folder: Path) -> list[tuple[Path, str | None]]:
    """Data files of a folder in a fixed order. Where their names say train and test, these are the splits.

    Raises:
        DataError: there is none, or there are files for splits beside files for none.
    """
    files = [
        file
        for file in whole_files(folder)
        if not any(_NOT_DATA.match(part) for part in file.relative_to(folder).parts)
    ]
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


def whole_files(folder: Path) -> list[Path]:
    """Every file below a folder in the order of their paths.

    Raises:
        DataError: a link leads to nothing: what it stood for would be left out in silence.
    """
    found = sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink() and not path.exists():
            raise DataError(dangling(path))
    return [path for path in found if path.is_file()]


def dangling(path: Path) -> str:
    """The message for a link whose target does not exist."""
    target = path.readlink()
    shown = target if target.is_absolute() else path.parent / target
    return f"{path} is a link to {shown}, which does not exist. Restore the file, or remove the link."


def _folder_split(file: Path, root: Path) -> str | None:
    folders = file.relative_to(root).parts[:-1]
    return next((split for split in map(split_named, folders) if split), None)


def named(places: Sequence[Place]) -> list[Place]:
    """The places with the files' own names; where two are alike, with their paths below the common folder."""
    paths = [Path(place.path) for place in places]
    counts = Counter(path.name for path in paths)
    if not counts or max(counts.values()) == 1:
        return [replace(place, name=path.name) for place, path in zip(places, paths, strict=True)]
    common = os.path.commonpath([path.parent for path in paths])
    return [
        replace(
            place,
            name=path.relative_to(common).as_posix()
            if counts[path.name] > 1 and path.is_relative_to(common)
            else path.name,
        )
        for place, path in zip(places, paths, strict=True)
    ]


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
