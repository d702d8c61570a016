"""Rows that a caller gives as Python values, as a table of a task's input columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.columns import Column
from dianji.errors import DataError, did_you_mean


def table_of(rows: Sequence[Any], columns: Mapping[str, Column]) -> pa.Table:
    """A row for each value, where the task reads one column; or for each mapping from column to value.

    Args:
        rows: values as the column's kind takes them (texts, paths or bytes of images, lists of words), or mappings.
        columns: the task's; targets are left out.

    Raises:
        DataError: a row is not of the kind that the task reads, lacks a column, or names one that the task does not
            read.
    """
    inputs = {name: column for name, column in columns.items() if not column.target}
    needed = [name for name, column in inputs.items() if not column.optional]
    if not any(isinstance(row, Mapping) for row in rows) and len(needed) <= 1:
        name = needed[0] if needed else _taker(rows, inputs)
        rows = [{name: row} for row in rows]
    for number, row in enumerate(rows, start=1):
        _require_columns(row, number, inputs, needed)
    present = [name for name in inputs if name in needed or any(name in row for row in rows)]
    return pa.table({name: _column(rows, name, inputs[name]) for name in present})


def _taker(rows: Sequence[Any], inputs: Mapping[str, Column]) -> str:
    """The first column that takes values of this kind; the first of all where none does, whose error is told."""
    for name, column in inputs.items():
        try:
            column.of.given(rows)
        except DataError:
            continue
        return name
    return next(iter(inputs))


def _require_columns(row: Any, number: int, inputs: Mapping[str, Column], needed: Sequence[str]) -> None:
    shape = "{" + ", ".join(f'"{name}": …' for name in needed or inputs) + "}"
    if not isinstance(row, Mapping):
        raise DataError(
            f"row {number}: expected a mapping of the task's columns, found {type(row).__name__}. Pass {shape}."
        )
    unknown = [name for name in row if name not in inputs]
    if unknown:
        raise DataError(
            f"row {number}: the task reads no column '{unknown[0]}'. {did_you_mean(str(unknown[0]), inputs)}"
        )
    missing = [name for name in needed if row.get(name) is None]
    if missing:
        raise DataError(f"row {number}: the column '{missing[0]}' is missing. Pass {shape}.")


def _column(rows: Sequence[Mapping[str, Any]], name: str, column: Column) -> pa.Array:
    try:
        return column.of.given([row.get(name) for row in rows])
    except DataError as error:
        raise DataError(f"{error} The column '{name}' takes values of the kind {column.kind}.") from None
