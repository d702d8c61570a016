"""What a model said of every row of a split, beside the truth: kept so that nobody has to take a score on trust."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from dianji.errors import ArtefactError
from dianji.evaluate.outcome import Outcome


@dataclass(frozen=True)
class Record:
    """One split. Law: ``Record.read(folder, split, [type(r.outcome)])`` is ``r`` after ``r.write(folder, split)``."""

    outcome: Outcome
    rows: np.ndarray  # (rows,) uint64: digests of inputs and targets, as ``dianji.data.content`` makes them

    def write(self, folder: Path, split: str) -> None:
        """``<split>.safetensors``: the outcome's arrays and the rows; what is no array stands in the metadata."""
        values = {field.name: getattr(self.outcome, field.name) for field in dataclasses.fields(self.outcome)}
        arrays = {f"outcome/{name}": value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        described = {"kind": type(self.outcome).__name__, "plain": json.dumps(plain, ensure_ascii=False)}
        save_file({**arrays, "rows": self.rows}, folder / f"{split}.safetensors", metadata=described)

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
            kind = next(kind for kind in kinds if kind.__name__ == described["kind"])
            plain = {name: _frozen(value) for name, value in json.loads(described["plain"]).items()}
            fields = {name.removeprefix("outcome/"): value for name, value in arrays.items() if name != "rows"}
            return cls(kind(**fields, **plain), arrays["rows"])
        except StopIteration:
            told = f"a record of kind {described.get('kind')}, which none of the task's metrics reads"
            raise ArtefactError(f"{path}: {told}. Restore the folder, or run its recipe again.") from None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ArtefactError(f"{path}: damaged ({error}). Restore the folder, or run its recipe again.") from error


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
