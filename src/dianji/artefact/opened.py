"""An opened artefact: the evaluated model, ready to predict."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import pyarrow as pa
import torch
from torch import nn

from dianji.artefact.manifest import PARTS, Manifest
from dianji.artefact.probe import Probe, answer
from dianji.bases.base import Base
from dianji.bases.resolve import resolve
from dianji.data.columns.base import column_kind
from dianji.data.given import table_of
from dianji.engine.evaluation import Evaluator
from dianji.engine.inference import Inference
from dianji.engine.runtime import Precision, choose_precision
from dianji.errors import ArtefactError, CapabilityError, DataError
from dianji.registry import from_record, record_of
from dianji.reporting import Meter
from dianji.store.atomic import new_folder
from dianji.tasks.base import Outputs, Prediction, Purpose, Task
from dianji.tasks.conversing import Conversing
from dianji.tasks.truncation import Truncation, truncation
from dianji.tasks.unknown import share_of_unknown

#: Rows that are sorted by length and predicted together; the largest piece that is held in memory.
WINDOW = 4096


@dataclass(frozen=True)
class PredictedRows:
    """Rows beside their predictions, and what of their inputs the model has not seen or does not know."""

    rows: pa.Table
    predictions: Sequence[Prediction]
    cut: Truncation
    #: Tokens that the tokenizer does not know, as ``describe_unknown`` tells; None where it knows everything.
    unknown: Mapping[str, Any] | None


@dataclass(frozen=True)
class Model:
    """A task's model from an artefact folder. Its answer to a row does not depend on the other rows of a batch.

    Several threads may ask one model at the same time: each gets what it would get alone.

    ``precision`` is fp32, in which it was evaluated, unless another one was asked for.
    """

    folder: Path
    manifest: Manifest
    task: Task
    base: Base
    precision: Precision = "fp32"
    #: Held while something is made that all threads share.
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path | str, *, check_files: bool = True, precision: str = "fp32") -> Model:
        """Open an artefact; weights are read when they are first needed.

        Args:
            folder: of the artefact.
            check_files: compare every file with its digest.
            precision: of matrix products: fp32, bf16, or auto, which is bf16 where the hardware is built for it.
                Another one than fp32 must reproduce the probe within its rounding before the first answer.

        Raises:
            ArtefactError: not an artefact, or a file has changed since it was saved.
            CapabilityError: the precision is not to be had here.
        """
        chosen = choose_precision(precision)
        folder = Path(folder)
        manifest = Manifest.read(folder)
        if manifest.parts:
            raise ArtefactError(
                f"{folder}: holds several models that learnt together, and one answers at a time. Name one of them: "
                f"{', '.join(str(folder / PARTS / part) for part in manifest.parts)}."
            )
        if check_files:
            manifest.check_files(folder)
        task: Task = from_record("task", manifest.task)
        source = resolve(str(folder.absolute()), task.modality)
        return cls(folder, manifest, task, source.prepare(pa.table({})), chosen)

    @property
    def network(self) -> nn.Module:
        """The torch model, in evaluation mode; the same one for all threads.

        Raises:
            ArtefactError: a weight is missing.
        """
        with self._lock:
            return self._network

    def outputs(self, rows: pa.Table, meter: Meter | None = None, purpose: Purpose = "predict") -> Outputs:
        """The task's outputs as arrays, one entry per row; to ``score``, what it is evaluated by."""
        return self._answers(self._encode(rows), meter, purpose)

    def stream(self, chunks: Iterable[pa.Table], meter: Meter | None = None) -> Iterator[PredictedRows]:
        """Chunks of rows with their predictions, in order; no more than one chunk is held at a time.

        Raises:
            DataError: a row is not of the kind the task reads; earlier chunks have been yielded.
        """
        for rows in chunks:
            for start in range(0, rows.num_rows, WINDOW):
                window = rows.slice(start, WINDOW)
                examples = self._encode(window)
                outputs = self._answers(examples, meter)
                predictions = self.task.predictions(outputs, window, self.base)
                unknown = share_of_unknown(examples, self.base, window.num_rows)
                yield PredictedRows(window, predictions, truncation(examples), unknown)

    def predict(self, rows: Sequence[Any] | pa.Table) -> Sequence[Prediction]:
        """One typed prediction per row.

        Args:
            rows: values of the task's input column (texts, paths or bytes of images, lists of words); mappings from
                column to value, where it has several; or a table that has the task's input columns.

        Raises:
            DataError: a row is not of the kind the task reads.
        """
        if isinstance(rows, str | bytes):
            raise DataError(f"predict takes a list of rows, found a single {type(rows).__name__}. Write [row].")
        table = rows if isinstance(rows, pa.Table) else table_of(rows, self.task.columns)
        return [prediction for answered in self.stream([table]) for prediction in answered.predictions]

    @overload
    def chat(self, messages: Sequence[Any] | str, *, stream: Literal[False] = False) -> str: ...

    @overload
    def chat(self, messages: Sequence[Any] | str, *, stream: Literal[True]) -> Iterator[str]: ...

    def chat(self, messages: Sequence[Any] | str, *, stream: bool = False) -> str | Iterator[str]:
        """The answer to a conversation; the weights are not changed, and nothing is remembered between calls.

        Args:
            messages: ``[{"role": "user", "content": "…"}, …]`` in order, the last one of the user or of a tool; or a
                text, which is a question of the user.
            stream: give pieces of the answer as they are written.

        Raises:
            CapabilityError: the model holds no conversations.
            DataError: a message is at fault or out of order, or there is nothing to answer.
        """
        task = self.task
        if not isinstance(task, Conversing):
            name = record_of(self.task)["name"].partition("@")[0]
            raise CapabilityError(
                f"{self.folder}: a model of the task {name} holds no conversations. Train one "
                "with the task instruction-tuning, or use predict."
            )
        turns = column_kind("messages").given([messages]).to_pylist()[0] or []
        if not turns or turns[-1]["role"] not in ("user", "tool"):
            raise DataError(
                "there is nothing to answer: expected a conversation that ends with a message of the user or of a "
                f"tool, found {repr(turns[-1]['role']) if turns else 'no message'}. Add the question."
            )
        pieces = self._pieces(task, turns)
        return pieces if stream else "".join(pieces)

    def save(self, folder: Path | str) -> Path:
        """Copy the artefact to a new folder, whole.

        Raises:
            ArtefactError: the folder is there already.
        """
        target = Path(folder)
        if target.exists():
            raise ArtefactError(f"{target}: there is something there already. Name another folder, or remove it first.")
        with new_folder(target.absolute()) as temporary:
            shutil.copytree(self.folder, temporary, dirs_exist_ok=True)
        return target

    def reproduce(self) -> float:
        """The largest difference between the stored probe and the outputs of this model now.

        Raises:
            ArtefactError: more than the tolerance.
        """
        probe = Probe.read(self.folder)
        return probe.compare(answer(self.task, self.network, self.base, probe.rows, probe.seed), self.folder)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """``evidence/metrics.json``: metrics with intervals, per class, baselines."""
        found: Mapping[str, Any] = json.loads((self.folder / "evidence/metrics.json").read_text(encoding="utf-8"))
        return found

    @property
    def input_column(self) -> str:
        """The one column that predictions need."""
        return next(name for name, column in self.task.columns.items() if not column.target)

    def require_input(self, kind: str) -> None:
        """Refuse single values of a kind that the model does not read.

        Raises:
            DataError: says what it reads, and how that is given.
        """
        needed = [name for name, column in self.task.inputs.items() if not column.optional]
        if len(needed) > 1:
            shape = ", ".join(f'"{name}": "…"' for name in needed)
            raise DataError(
                f"{self.folder}: this model reads several columns ({', '.join(needed)}), not single {kind}s. Give a "
                f"file, or: dianji predict {self.folder} --row '{{{shape}}}'"
            )
        column = self.task.columns[self.input_column]
        if column.kind != kind and not (kind == "text" and column.of.takes_text):
            raise DataError(
                f"{self.folder}: this model reads {column.kind.removesuffix('s')}s, not {kind}s. Give a file or a "
                f"folder: dianji predict {self.folder} FILE"
            )

    @cached_property
    def _network(self) -> nn.Module:
        headed = self.task.model(self.base)
        self.base.require_complete()
        network: nn.Module = headed.model
        return network.eval()

    @cached_property
    def _inference(self) -> Inference:
        inference = Inference(self.network, self.precision)
        if self.precision != "fp32":
            probe = Probe.read(self.folder)
            with inference.on():
                said = answer(self.task, self.network, self.base, probe.rows, probe.seed)
            probe.compare(said, self.folder, self.precision)
        return inference

    def _pieces(self, task: Conversing, turns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The caller's own work between two pieces is done in its own mode, not in the model's."""
        with self._lock:
            inference = self._inference
        pieces = task.reply(self.network, self.base, turns)
        while True:
            with inference.on(), torch.inference_mode():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _encode(self, rows: pa.Table) -> pa.Table:
        """Rows as examples, one thread at a time: tokenizers are changed by being told how much to cut off."""
        with self._lock:
            return self.task.encode(rows, self.base)

    def _answers(self, examples: pa.Table, meter: Meter | None, purpose: Purpose = "predict") -> Outputs:
        with self._lock:
            inference = self._inference
        with inference.on():
            evaluator = Evaluator(self.task, self.network, self.base, self.manifest.seed)
            return evaluator.outputs(examples, purpose, meter)
