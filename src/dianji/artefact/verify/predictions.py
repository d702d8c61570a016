"""Repeats the whole evaluation on a file, and compares every prediction with the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dianji.artefact.opened import Model
from dianji.artefact.probe import TOLERANCE
from dianji.artefact.record import Record
from dianji.artefact.verify.scores import read_record
from dianji.artefact.verify.subject import Faults, Subject
from dianji.artefact.verify.verdict import Compared
from dianji.data.content import examine
from dianji.data.read import rows as read_rows
from dianji.engine.evaluation import Evaluator
from dianji.evaluate.outcome import Outcome
from dianji.reporting import Meter, Reporter
from dianji.spec.data import Data

#: Rows that are named; the others are counted.
NAMED = 10


def compare(
    subject: Subject, path: str, columns: Mapping[str, str] | None, reporter: Reporter, faults: Faults
) -> tuple[Compared, ...]:
    """Match rows by their content, predict them, compare. The folder must have been found safe.

    Args:
        subject: whose records.
        path: the file; how it is read, and its columns, are as in the recipe.
        columns: the task's name of a column -> the file's; before the recipe's.
        reporter: receives messages and progress.
        faults: get a row that is predicted otherwise, or missing from a split that the file has rows of.

    Raises:
        DataError: the file cannot be read.
    """
    model = Model.open(subject.folder, check_files=False)
    spec = _described(subject, path)
    table = read_rows(path, model.task.columns, spec=spec, given=columns, need_targets=True, warn=reporter.warn)
    digests = examine(table, model.task.columns).order
    place = {digest: row for row, digest in reversed(list(enumerate(digests.tolist())))}
    found = []
    for split in subject.document("metrics")["metrics"]:
        record = None
        with faults.at(f"evidence/{split}.safetensors"):
            record = read_record(subject, split)
        if record is None:
            continue
        with reporter.work(f"predicting {split}", record.outcome.rows, "rows") as meter:
            found.append(_compare(model, split, record, _Rows(table, place), meter, faults))
    if not any(split.compared for split in found):
        faults.add(path, f"none of its {table.num_rows:,} rows is one that the model was evaluated on")
    return tuple(found)


@dataclass(frozen=True)
class _Rows:
    """The file's rows, and the first place of each digest."""

    table: pa.Table
    place: Mapping[int, int]

    def source(self, row: int) -> str:
        return (
            str(self.table["__source__"][row].as_py()) if "__source__" in self.table.column_names else f"row {row + 1}"
        )


def _described(subject: Subject, path: str) -> Data:
    """The data section of the recipe with another path."""
    (name,) = subject.manifest.data
    sections = subject.document("recipe")["data"]
    section = sections[name]
    read = sections[section.get("with") or section["rows"]] if section.get("from") else section
    kept = {"columns": section["columns"], **{key: read[key] for key in ("format", "options", "encoding")}}
    return Data.model_validate({**kept, "path": str(Path(path).absolute())})


def _compare(model: Model, split: str, record: Record, rows: _Rows, meter: Meter, faults: Faults) -> Compared:
    places = np.array([rows.place.get(digest, -1) for digest in record.rows.tolist()], dtype=np.int64)
    there = np.flatnonzero(places >= 0)
    if not len(there):
        return Compared(split, record.outcome.rows, 0, 0, 0.0, TOLERANCE)
    missing = np.flatnonzero(places < 0)
    if len(missing):
        numbers = ", ".join(str(row + 1) for row in missing[:NAMED])
        told = f"{len(missing):,} of {len(places):,} recorded rows are not in the file (rows {numbers}"
        faults.add(split, f"{told}{', …' if len(missing) > NAMED else ''}); the evaluation is not whole")
    outcome = _predicted(model, rows.table.take(pa.array(places[there])), meter)
    expected = record.outcome.take(there)
    apart = outcome.distance(expected)
    wrong = np.flatnonzero(~(apart <= TOLERANCE))
    for row in wrong[:NAMED]:
        where = f"row {there[row] + 1} ({rows.source(int(places[there[row]]))})"
        faults.add(split, f"{where}: {_described_difference(outcome, expected, int(row), float(apart[row]))}")
    if len(wrong) > NAMED:
        faults.add(split, f"{len(wrong) - NAMED:,} more rows are predicted otherwise than recorded")
    return Compared(split, record.outcome.rows, len(there), len(wrong), float(apart.max(initial=0.0)), TOLERANCE)


def _predicted(model: Model, table: pa.Table, meter: Meter) -> Outcome:
    examples = model.task.encode(table, model.base)
    evaluator = Evaluator(model.task, model.network, model.base, model.manifest.seed)
    return evaluator.outcome(examples, model.task.measured_for, meter)


def _described_difference(found: Outcome, expected: Outcome, row: int, apart: float) -> str:
    was, now = _answer(expected, row), _answer(found, row)
    if was is None or now is None or was == now:
        return f"predicted otherwise than recorded (difference {apart:.1e})"
    return f"recorded as {was}, predicted as {now} (difference {apart:.1e})"


def _answer(outcome: Outcome, row: int) -> str | None:
    """``'refund' with 0.9800``."""
    answer, decisions = outcome.describe(row), outcome.decisions()
    if answer is None:
        return None
    sure = decisions is not None and decisions.confidence.shape[1] == 1
    return f"'{answer.given}' with {decisions.confidence[row, 0]:.4f}" if decisions and sure else f"'{answer.given}'"
