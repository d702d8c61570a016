"""Writes files so that a reader finds the old content or the new one, never half of it, even after a power cut."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from dianji.errors import StoreError


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an operating system's error about ``path`` into a StoreError with advice."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            free = shutil.disk_usage(_existing(path)).free // 2**20
            raise StoreError(
                f"{path}: the disk is full ({free} MiB free). Nothing was half-written; the earlier content is intact. "
                "Free some space, or set DIANJI_HOME to a folder on another disk, and run the same command again."
            ) from error
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror}). Make the folder writable, or set DIANJI_HOME."
            ) from error
        raise StoreError(f"{path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a whole file, or leave the old one.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)  # mkstemp lets nobody else read
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON; ``json.loads(path.read_text()) == value``."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well, and vanishes when it does not.

    A folder already at ``path`` is replaced.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            temporary.chmod(0o755)
            for file in temporary.rglob("*"):
                sync_file(file) if file.is_file() else sync_folder(file)
            sync_folder(temporary)
            _put_in_place(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(path.parent)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Inside, no other process makes ``path`` under this lock, and leftovers of killed processes are removed.

    A second process waits, and should then look whether ``path`` is there.

    Raises:
        StoreError: the folder cannot be written.
    """
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    with translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        sweep(path)
        yield
    finally:
        lock.release()


def sweep(path: Path) -> None:
    """Remove what killed processes left of their attempts at ``path``; no other process may be making it.

    Raises:
        StoreError: something cannot be removed.
    """
    with translated(path):
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename; an old folder is moved aside first, since a non-empty folder cannot be renamed over."""
    if not path.exists():
        temporary.rename(path)
        return
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old-"))
    was = aside / "was"
    try:
        path.rename(was)
        temporary.rename(path)
    except BaseException:
        if was.exists():
            was.rename(path)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Have the operating system put a file's bytes on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the operating system put a folder's entries on the disk, where it can (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
