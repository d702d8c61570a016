"""A model's answers to every row of a split, beside the truth: scores can be recomputed from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from dianji.artefact import tensors
from dianji.errors import ArtefactError
from dianji.evaluate.outcome import Outcome, descendants
from dianji.registry import REGISTRY
from dianji.tasks.base import Task


@dataclass(frozen=True)
class Record:
    """One split. Law: ``Record.read(folder, split, [type(r.outcome)])`` is ``r`` after ``r.write(folder, split)``."""

    outcome: Outcome
    rows: np.ndarray  # (rows,) uint64: digests of inputs and targets, as ``dianji.data.content`` makes them

    def write(self, folder: Path, split: str) -> None:
        """``<split>.safetensors``: the outcome's arrays and the rows; other values go into the metadata."""
        arrays = tensors.flattened({f"outcome/{name}": value for name, value in self.outcome.arrays().items()})
        plain = json.dumps(self.outcome.plain(), ensure_ascii=False)
        written = save({**arrays, "rows": self.rows}, metadata={"kind": type(self.outcome).__name__, "plain": plain})
        (folder / f"{split}.safetensors").write_bytes(_in_order(written))

    @classmethod
    def read(cls, folder: Path, split: str, kinds: Iterable[type[Outcome]]) -> Record:
        """Inverse of ``write``.

        Args:
            folder: ``evidence`` of an artefact.
            split: such as ``test``.
            kinds: outcomes that may be meant: those of the task's metrics.

        Raises:
            ArtefactError: there is no such record, it is damaged, or of another kind.
        """
        path = folder / f"{split}.safetensors"
        if not path.is_file():
            raise ArtefactError(f"{path}: nothing is recorded of the split '{split}'. Run its recipe again.")
        try:
            with safe_open(path, "numpy") as file:
                described = file.metadata() or {}
            arrays = load_file(path)
            kind: Any = next(kind for kind in kinds if kind.__name__ == described["kind"])
            plain = {name: _frozen(value) for name, value in json.loads(described["plain"]).items()}
            rows = arrays.pop("rows")
            fields: dict[str, Any] = {
                name.removeprefix("outcome/"): value for name, value in tensors.restored(arrays).items()
            }
            return cls(kind(**fields, **plain), rows)
        except StopIteration:
            told = f"a record of kind {described.get('kind')}, which none of the task's metrics reads"
            raise ArtefactError(f"{path}: {told}. Restore the folder, or run its recipe again.") from None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtefactError(f"{path}: damaged ({error}). Restore the folder, or run its recipe again.") from error


def kinds_of(task: Task) -> set[type[Outcome]]:
    """The kinds of outcome that a record of this task may hold: those that its metrics read."""
    return descendants([kind for name in task.metrics for kind in REGISTRY.get("metric", name).outcomes])


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _in_order(file: bytes) -> bytes:
    """A safetensors file with sorted metadata: the library writes them in the order of a hash table, at random."""
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)
    return len(ordered).to_bytes(8, "little") + ordered + file[start:]
