"""The step store: a result lies under the digest of its request, and is never computed twice."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from dianji.errors import StoreError
from dianji.store.atomic import translated, write_json, write_text
from dianji.store.ledger import Ledger

State = Literal["done", "interrupted", "to do"]


@dataclass(frozen=True)
class Store:
    """``$DIANJI_HOME``, or ``.dianji`` in the current folder."""

    home: Path

    @classmethod
    def default(cls) -> Store:
        """The store of every verb that is given no other."""
        return cls(Path(os.environ.get("DIANJI_HOME") or ".dianji").absolute())

    @property
    def ledger(self) -> Ledger:
        """The record of this store."""
        return Ledger(self.home / "ledger.jsonl")

    def step(self, digest: str) -> StepFolder:
        """The step of that digest, whether it exists or not."""
        return StepFolder(self.home / "steps" / digest)

    def steps(self) -> list[StepFolder]:
        """Every step that has a folder."""
        folder = self.home / "steps"
        return [StepFolder(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []

    def comparison(self, digest: str) -> Path:
        """The path of a comparison's result: one JSON document."""
        return self.home / "comparisons" / f"{digest}.json"

    def cache(self, digest: str) -> Path:
        """A folder for contents that can be computed again. Safe to delete."""
        return self.home / "cache" / digest


@dataclass(frozen=True)
class StepFolder:
    """``spec.json  base/  checkpoint/  artefact/  metrics.json  events.jsonl  DONE``."""

    folder: Path

    @property
    def digest(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def state(self) -> State:
        """Done, begun, or not begun."""
        if (self.folder / "DONE").exists():
            return "done"
        return "interrupted" if (self.folder / "spec.json").exists() else "to do"

    @property
    def artefact(self) -> Path:
        """The artefact's folder."""
        return self.folder / "artefact"

    def link(self) -> Path:
        """A path to the artefact that does not depend on where the store lies: a link in the user's cache.

        An adapter names its base by it, so that two stores hold the same bytes. Links to steps that are gone are
        removed. Where there can be no link, the artefact's own path.
        """
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dianji" / "artefacts"
        link, fresh = folder / self.digest, folder / f".{self.digest}-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for other in folder.iterdir():
                if other.is_symlink() and not other.exists():
                    other.unlink(missing_ok=True)
            fresh.symlink_to(self.artefact.absolute(), target_is_directory=True)
            fresh.replace(link)
        except OSError:
            return self.artefact.absolute()
        return link

    @property
    def checkpoints(self) -> Path:
        """Holds one folder per checkpoint."""
        return self.folder / "checkpoint"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process away from this step. The lock goes when the process goes, however it ends.

        Raises:
            StoreError: another process holds it.
        """
        with translated(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise StoreError(
                    f"{self.folder}: another process{self._holder()} is working on this step. "
                    "Wait for it to end, or stop it; then run the same command again."
                ) from None
        try:
            with translated(self.folder):
                (self.folder / "holder").write_text(str(os.getpid()))
            yield
        finally:
            lock.release()

    def _holder(self) -> str:
        try:
            return f" (process {(self.folder / 'holder').read_text()})"
        except OSError:
            return ""

    @property
    def busy(self) -> bool:
        """Whether a process is working on this step now."""
        if not (self.folder / "lock").exists():
            return False
        lock = FileLock(self.folder / "lock")
        with translated(self.folder):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return True
        lock.release()
        return False

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Write the spec; the lock must be held. Half-written files of killed processes are removed."""
        with translated(self.folder):
            for leftover in [*self.folder.glob(".*"), *self.checkpoints.glob(".*")]:  # as store.atomic names them
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        write_json(self.folder / "spec.json", spec)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Write the results, then ``DONE``; delete files that only a resumed run needs."""
        write_json(self.folder / "metrics.json", metrics)
        write_text(self.folder / "DONE", datetime.now(UTC).isoformat(timespec="seconds") + "\n")
        self.sweep()

    def sweep(self) -> None:
        """Delete files that only a resumed run needs; a kill may have come before ``finish`` did so."""
        for name in ("checkpoint", "base", "adapter"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def spec(self) -> dict[str, Any]:
        """The spec that ``begin`` wrote; empty for a step that is to do.

        Raises:
            StoreError: the file is damaged.
        """
        return self._read("spec.json") if self.state != "to do" else {}

    def metrics(self) -> dict[str, Any]:
        """The metrics that ``finish`` wrote.

        Raises:
            StoreError: the file is damaged.
        """
        return self._read("metrics.json")

    @property
    def profiles(self) -> Path:
        """The folder of ``dianji run --profile``."""
        return self.folder / "profile"

    def profile(self) -> dict[str, Any] | None:
        """``steps``, ``seconds`` by phase, ``trace`` (a path; None: too few steps). None without a profile.

        Raises:
            StoreError: the file is damaged.
        """
        if not (self.profiles / "time.json").exists():
            return None
        trace = self.profiles / "trace.json"
        return {**self._read("profile/time.json"), "trace": str(trace) if trace.exists() else None}

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error}). Run the stage again with --again.") from error
        return found

    def forget(self) -> None:
        """Make a finished or interrupted step one that is to do. The lock stays."""
        with translated(self.folder):
            (self.folder / "DONE").unlink(missing_ok=True)
            for name in ("spec.json", "metrics.json", "events.jsonl", "serving.json"):
                (self.folder / name).unlink(missing_ok=True)
            for name in ("artefact", "checkpoint", "base", "adapter", "track", "profile"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
