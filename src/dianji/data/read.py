"""Rows for a task, by the line: locate, recognise, decode, select, check, clean, divide, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.data.check import check
from dianji.data.clean import clean
from dianji.data.columns import Column
from dianji.data.decode import decode
from dianji.data.digest import data_digest, needs_rows
from dianji.data.divide import divide
from dianji.data.line import Flow, Request
from dianji.data.locate import locate
from dianji.data.names import with_names
from dianji.data.recognise import recognise
from dianji.data.report import report
from dianji.data.select import require_roles, select
from dianji.data.source import SOURCE, SPLITS, UNIT
from dianji.data.streamed import keep, require_streamable, sample
from dianji.spec.data import Data
from dianji.store.steps import Store

#: Rows of a stream that a tokenizer is fitted to.
FITTED = 100_000


@dataclass(frozen=True)
class Loaded:
    """A task's rows. ``splits`` lacks a split without rows; tables hold the task's columns and ``__source__``."""

    splits: Mapping[str, pa.Table]
    #: sha256 over what determines the rows (bytes of files, rows of services), not over paths or the recipe.
    digest: str
    warnings: tuple[str, ...]
    report: dict[str, Any]
    #: Whether tables are memory-mapped, because they may be larger than memory.
    streamed: bool = False

    def to_fit(self) -> pa.Table:
        """Training rows that a tokenizer or the like is fitted to: all, or as many as fit into memory."""
        return sample(self.splits["train"], FITTED) if self.streamed else self.splits["train"]


def load(
    spec: Data,
    columns: Mapping[str, Column],
    *,
    seed: int,
    name: str,
    need_targets: bool = True,
    divide: bool = True,
    cache: Path | None = None,
) -> Loaded:
    """Everything that the recipe says about ``data.<name>``, done; without ``divide`` only splits that are given.

    ``cache`` is where a stream's splits are kept; by default that of the store.

    Raises:
        DataError: what is wrong with files, rows, columns and labels, as many faults at once as can be found.
        CapabilityError: an optional package is missing.
    """
    request = Request(spec, _wanted(columns, need_targets), name, seed, divide=divide, chunks=spec.stream)
    if spec.stream:
        require_streamable(request)
        splits, told = keep(_cleaned_and_divided(decoded(request)), cache or Store.default().home / "cache")
        return Loaded(splits, told["digest"], tuple(told["warnings"]), told, streamed=True)
    return divided(decoded(request))


def decoded(request: Request) -> Flow:
    """The line's first three steps: every row with every column.

    Raises:
        DataError: a path, a format or a file is at fault.
    """
    return decode(recognise(locate(request)))


def divided(flow: Flow) -> Loaded:
    """The line's further steps, from decoded rows to splits with their report.

    Raises:
        DataError: what is wrong with rows, columns and labels.
    """
    flow = report(_cleaned_and_divided(flow))
    request, batch, told = flow.request, flow.whole, dict(flow.report)
    table = batch.table.select([*(name for name in request.wanted if name in batch.table.column_names), SOURCE])
    for role in ("__group__", "__within__"):  # of which only one is given
        if role in batch.table.column_names:
            table = table.append_column(UNIT, pa.array(_units(batch.table[role])))
    splits = {
        name: table.filter(pa.array(batch.split == code))
        for code, name in enumerate(SPLITS)
        if (batch.split == code).any()
    }
    if request.spec.names and request.divide:
        splits["train"] = with_names(splits["train"], request.wanted, request.section)
        told["names"] = splits["train"].num_rows - int(np.sum(batch.split == 0))
    return Loaded(splits, flow.digest, tuple(told["warnings"]), told)


def rows(
    path: str | Sequence[str],
    columns: Mapping[str, Column],
    *,
    spec: Data | None = None,
    given: Mapping[str, str] | None = None,
    need_targets: bool = False,
    warn: Callable[[str], None] | None = None,
) -> pa.Table:
    """The rows of a file, a folder or standard input (``-``), undivided; for prediction and evaluation.

    A column that ``spec`` maps may also stand under the task's own name; one that is ``given`` must be there. ``warn``
    gets each warning.

    Raises:
        DataError: what is wrong with files, rows and columns.
        RecipeError: the task has no column that is ``given``.
    """
    given = given or {}
    require_roles(given, columns, targets=need_targets)
    wanted = _wanted(columns, need_targets)
    request = Request(_of_path(path, spec or Data()), wanted, lenient=True, given=given)
    flow = check(select(decoded(request)))
    table = flow.whole.table
    if warn is not None:
        for warning in flow.findings.warnings:
            warn(warning)
    return table.select([*(name for name in request.wanted if name in table.column_names), SOURCE])


@dataclass(frozen=True)
class Stream:
    """Rows that can be gone through; ``rows`` is None where they come only once and nobody can know how many."""

    flow: Flow
    rows: int | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings so far. Rows of standard input that have not arrived are not checked yet."""
        return tuple(dict.fromkeys(self.flow.findings.warnings))

    def chunks(self) -> Iterator[pa.Table]:
        """The task's columns under the task's names, and ``__source__``; chunk by chunk, in order.

        Raises:
            DataError: a row, a column or a file is at fault; what came before it has been given.
        """
        for batch in self.flow.batches:
            self.flow.findings.check()
            yield batch.table
        self.flow.findings.check()


def open_stream(
    path: str,
    columns: Mapping[str, Column],
    mapping: Mapping[str, Any],
    given: Mapping[str, str] | None = None,
    *,
    encoding: str = "auto",
) -> Stream:
    """The rows of a file, a folder, a glob or standard input (``-``).

    Files are read through once before the first row is given, so that every fault is told before any work is done, and
    the number of rows is known.

    Args:
        path: what to read.
        columns: the task's, without targets.
        mapping: the task's name of a column -> its name in the data, if it is there under this name.
        given: the same as the caller says; such a column must be there.
        encoding: of text files, as a recipe writes it.

    Raises:
        DataError: what is wrong with files, rows and columns.
        RecipeError: the task has no column that is ``given``.
    """
    require_roles(given or {}, columns, targets=False)
    spec = _of_path(path, Data(columns=dict(mapping), encoding=encoding))
    request = Request(spec, columns, lenient=True, chunks=True, given=given or {})
    flow = check(select(decoded(request)))
    if any(place.live is not None for place in flow.places):
        return Stream(flow)
    count = sum(batch.table.num_rows for batch in flow.batches)
    flow.findings.check()
    return Stream(flow, count)


def digest(spec: Data, columns: Mapping[str, Column] | None = None) -> str:
    """``Loaded.digest`` without parsing, but for SQL, Hub ids, and image files that a table names.

    ``columns`` matters for the last of these only.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    found = files_digest(spec, columns)
    if found is not None:
        return found
    flow = decoded(Request(spec, columns or {}))
    flow.findings.check()
    return flow.digest


def files_digest(spec: Data, columns: Mapping[str, Column] | None = None) -> str | None:
    """``digest`` where it follows from the files that the path stands for, else None; nothing is parsed.

    Raises:
        DataError: a file is missing or cannot be read.
    """
    readings = recognise(locate(Request(spec))).readings
    if needs_rows(readings, columns or {}):
        return None
    return data_digest(readings, [None] * len(readings), Request(spec))


def _cleaned_and_divided(flow: Flow) -> Flow:
    return divide(clean(check(select(flow))))


def _units(groups: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64: the same number for rows of the same group; a row without a group is one of its own."""
    number: dict[Any, int] = {}
    values = [("row", row) if value is None else ("group", value) for row, value in enumerate(groups.to_pylist())]
    return np.array([number.setdefault(value, len(number)) for value in values], dtype=np.int64)


def _of_path(path: str | Sequence[str], spec: Data) -> Data:
    kept = {"split": Data().split, "clean": Data().clean}  # what is done to rows that are learnt from
    return spec.model_copy(update={**kept, "path": path if isinstance(path, str) else list(path)})


def _wanted(columns: Mapping[str, Column], need_targets: bool) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if need_targets or not column.target}
