"""Rows of lists and objects: Arrow's own, or JSON in a text cell; each item is parsed, and its faults name the row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns.base import Cells, plain
from dianji.data.findings import Findings

#: Turns one item of a row's list into the record that Arrow holds.
Parse = Callable[[Any], Any]


class Unfit(ValueError):
    """An item that is not what its kind expects; the message says what was expected."""


def rows_of(cells: Cells, expected: str, findings: Findings) -> list[Any]:
    """Plain values, one per row; null and empty text are None, other text is read as JSON.

    Raises:
        DataError: the column holds neither lists, objects nor text.
    """
    values = plain(cells.values)
    type_ = values.type
    if not (is_list(type_) or pa.types.is_struct(type_) or is_string(type_) or pa.types.is_null(type_)):
        raise cells.wrong(expected, "Name another column.")
    rows = values.to_pylist()
    return (
        [_read(value, row, cells, expected, findings) for row, value in enumerate(rows)] if is_string(type_) else rows
    )


def lists(
    rows: Sequence[Any], parse: Parse, arrow: pa.DataType, cells: Cells, noun: str, findings: Findings
) -> pa.ChunkedArray:
    """A list of parsed items per row. A missing list, a value that is no list and a bad item are faults.

    Args:
        rows: plain values.
        parse: makes an item; raises ``Unfit``.
        arrow: the type of the result.
        cells: where the rows stand.
        noun: what a row's list is called in messages, such as "list of spans".
        findings: gets the faults.
    """
    found: list[list[Any] | None] = []
    for row, value in enumerate(rows):
        if value is None or value is BROKEN:
            found.append(None)
        else:
            found.append(_items(value, parse, f"{cells.where(row)}: column '{cells.name}'", noun, findings))
    absent = pa.array([value is None for value in rows], pa.bool_())
    cells.missing(absent, noun, findings)
    return pa.chunked_array([pa.array(found, arrow)])


#: A text that is not JSON; its fault has been reported.
BROKEN: Any = object()


def _read(text: str | None, row: int, cells: Cells, expected: str, findings: Findings) -> Any:
    if text is None or not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        findings.fault(
            f"{cells.where(row)}: column '{cells.name}' holds {text[:60]!r} where {expected} is expected. Write it as "
            "JSON."
        )
        return BROKEN


def _items(value: Any, parse: Parse, where: str, noun: str, findings: Findings) -> list[Any]:
    if not isinstance(value, list):
        findings.fault(f"{where} holds {type(value).__name__} where a {noun} is expected.")
        return []
    items = []
    for number, item in enumerate(value, start=1):
        try:
            items.append(parse(item))
        except Unfit as unfit:
            findings.fault(f"{where}, item {number}: {unfit}, found {str(item)[:80]!r}.")
    return items
