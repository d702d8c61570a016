"""Names of classes: read from strings, whole numbers and booleans."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_string
from dianji.data.columns._strings import strings
from dianji.data.columns.base import Cells

_SHORT = 40  # characters; longer values are no names


def class_names(values: pa.ChunkedArray, cells: Cells) -> pa.ChunkedArray:
    """Values as names without white space around them.

    Raises:
        DataError: the column holds something that names no class.
    """
    type_ = values.type
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        raise cells.wrong(
            "a string or a whole number",
            "Class numbers beside empty cells become fractions in pandas: write them as whole numbers or names.",
        )
    if pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_null(type_):
        return values.cast(pa.string())
    if not is_string(type_):
        raise cells.wrong("a string or a whole number", "Name another column.")
    return pc.utf8_trim_whitespace(strings(values))


def lists_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value as a list of one; null as an empty list."""
    lists = [[] if value is None else [value] for value in values.to_pylist()]
    return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])


def regroup(flat: Sequence[str | None], owner: np.ndarray, known: np.ndarray) -> pa.ChunkedArray:
    """Lists from (row, name) pairs, without empty names and without a name twice; null where a row is not ``known``."""
    lists: list[dict[str, None]] = [{} for _ in known]
    for row, name in zip(owner.tolist(), flat, strict=True):
        if name:
            lists[row][name] = None
    rows = [list(names) if there else None for names, there in zip(lists, known.tolist(), strict=True)]
    return pa.chunked_array([pa.array(rows, pa.list_(pa.string()))])


def few(distinct: int, count: int) -> bool:
    """Whether values come again and again."""
    return 2 * distinct <= count and distinct <= max(2, count // 5)


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def short(values: Sequence[object]) -> bool:
    """Whether values are short enough for names."""
    return float(np.mean([len(str(value)) for value in values])) <= _SHORT
