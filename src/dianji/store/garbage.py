"""The dispensable parts of a store: encoded sets, interrupted steps, leftovers of kills; finished steps on request."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dianji.errors import StoreError
from dianji.store.atomic import translated
from dianji.store.steps import StepFolder, Store

Kind = Literal["encoded set", "interrupted step", "leftover", "finished step"]

#: Files that ``StepFolder.finish`` deletes; a kill may leave them in a finished step.
_DROPPED = ("checkpoint", "base", "adapter")


@dataclass(frozen=True)
class Item:
    """One folder or file that can go."""

    path: Path
    kind: Kind
    size: int  # bytes
    about: str = ""  # recipe and stage, as far as the ledger knows

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True)
class Garbage:
    """The result of ``dianji gc``."""

    home: Path
    items: tuple[Item, ...]
    #: Items that were left out, with the reason, one line each.
    kept: tuple[str, ...] = ()
    deleted: bool = False

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(item.size for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "home": str(self.home),
            "items": [item.to_json() for item in self.items],
            "bytes": self.size,
            "kept": list(self.kept),
            "deleted": self.deleted,
        }


def find(store: Store, *, finished: bool = False) -> Garbage:
    """List the folders and files that can be deleted.

    Args:
        store: to look through.
        finished: also finished steps that no other finished step starts from.
    """
    names = _names(store)
    steps = store.steps()
    busy = [step for step in steps if step.busy]
    kept = [f"{step.folder}: in use by another process" for step in busy]
    caches = [] if busy else list(_caches(store))
    if busy and (store.home / "cache").is_dir():
        kept.append(f"{store.home / 'cache'}: a process that is at work may need it")
    idle = [step for step in steps if step not in busy]
    begun = [_whole(step, "interrupted step", names) for step in idle if step.state != "done"]
    leftovers = [item for step in idle if step.state == "done" for item in _leftovers(step, names)]
    leaves = [_whole(step, "finished step", names) for step in _leaves(idle, steps)] if finished else []
    return Garbage(store.home, (*caches, *begun, *leftovers, *leaves), tuple(kept))


def delete(store: Store, garbage: Garbage) -> Garbage:
    """Delete the items and note the steps in the ledger; a step that a process has resumed meanwhile is kept.

    Raises:
        StoreError: something cannot be deleted.
    """
    gone, kept = [], list(garbage.kept)
    for item in garbage.items:
        step = _step_of(store, item)
        try:
            if step is None:
                _remove(item.path)
            else:
                _remove_in(step, item)
        except StoreError as error:
            if step is None or not step.busy:
                raise
            kept.append(str(error))
            continue
        if step is not None and item.path == step.folder:
            store.ledger.append("deleted", step=step.digest)
        gone.append(item)
    return Garbage(garbage.home, tuple(gone), tuple(kept), deleted=True)


def _caches(store: Store) -> Iterator[Item]:
    folder = store.home / "cache"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        yield Item(path, "encoded set", _size(path))


def _whole(step: StepFolder, kind: Kind, names: Mapping[str, str]) -> Item:
    return Item(step.folder, kind, _size(step.folder), names.get(step.digest, ""))


def _leftovers(step: StepFolder, names: Mapping[str, str]) -> Iterator[Item]:
    paths = [*step.folder.glob(".*"), *(step.folder / name for name in _DROPPED)]
    for path in sorted(path for path in paths if path.exists()):
        yield Item(path, "leftover", _size(path), names.get(step.digest, ""))


def _leaves(idle: list[StepFolder], steps: list[StepFolder]) -> Iterator[StepFolder]:
    """Finished steps that no other one starts from; a child counts even if it is interrupted and in use."""
    parents: set[object] = set()
    for step in steps:
        if step.state == "done" or step not in idle:
            parents |= {step.spec().get("parent"), *_makers(step.spec().get("data", {}))}
    return (step for step in idle if step.state == "done" and step.digest not in parents)


def _makers(data: Mapping[str, Any]) -> Iterator[str]:
    """The steps that made rows of a step's data, of all its parts."""
    for part in (data, *data.get("parts", {}).values()):
        if "made_by" in part:
            yield part["made_by"]


def _step_of(store: Store, item: Item) -> StepFolder | None:
    """The step of an item."""
    folder = store.home / "steps"
    return store.step(item.path.relative_to(folder).parts[0]) if item.path.is_relative_to(folder) else None


def _remove_in(step: StepFolder, item: Item) -> None:
    """Delete under the step's lock, which is deleted last."""
    with step.locked():
        if item.path != step.folder:
            _remove(item.path)
            return
        for path in sorted(step.folder.iterdir(), key=lambda path: path.name != "DONE"):
            if path.name != "lock":
                _remove(path)
    with translated(step.folder):
        (step.folder / "lock").unlink(missing_ok=True)
        if not any(step.folder.iterdir()):
            step.folder.rmdir()


def _remove(path: Path) -> None:
    with translated(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of all files; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_symlink() or not file.is_dir())


def _names(store: Store) -> dict[str, str]:
    """Digest -> ``recipe: stage``, as far as the ledger can be read: the list does not depend on it."""
    try:
        entries = store.ledger.entries()
    except StoreError:
        return {}
    wanted = {"step", "recipe", "stage"}
    return {entry["step"]: f"{entry['recipe']}: {entry['stage']}" for entry in entries if wanted <= entry.keys()}
