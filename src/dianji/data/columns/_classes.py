"""Names of classes: read from strings, whole numbers and booleans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_string
from dianji.data.columns._strings import strings
from dianji.data.columns.base import Cells
from dianji.data.findings import Findings
from dianji.data.quality.alike import normal_name

_SHORT = 40  # characters; longer values are no names


def class_names(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    """Values as names without white space around them; null where there is none.

    Raises:
        DataError: the column holds something that names no class.
    """
    type_ = values.type
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        values = _whole(values, cells, findings)
    elif not (pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_null(type_) or is_string(type_)):
        raise cells.wrong("a string or a whole number", "Name another column.")
    if not is_string(values.type):
        return values.cast(pa.string())
    return pc.utf8_trim_whitespace(strings(values))


def _whole(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    """Fractions that are whole numbers as such, as pandas writes class numbers beside empty cells; NaN as null."""
    numbers = values.cast(pa.float64()).to_pylist()
    found = [None if number is None or math.isnan(number) else number for number in numbers]
    if not all(number is None or number.is_integer() for number in found):
        raise cells.wrong(
            "a string or a whole number",
            "Class numbers beside empty cells become fractions in pandas: write them as whole numbers or names.",
        )
    findings.warn(
        f"column '{cells.name}': class numbers are written as fractions (1.0) and were read as whole numbers (1)"
    )
    return pa.chunked_array([pa.array([None if number is None else int(number) for number in found], pa.int64())])


def name_of(item: Any) -> str | None:
    """An item of a list as the name of a class; None where it names none."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, float):
        return str(int(item)) if item.is_integer() else None
    return str(item).strip() if isinstance(item, str | int) else None


def unnamed(names: pa.ChunkedArray) -> pa.Array:
    """(rows,) whether a name is missing: null, or nothing that can be seen."""
    odd = {name for name in pc.unique(names).to_pylist() if name is None or not normal_name(name)}
    return pa.array([name in odd for name in names.to_pylist()], pa.bool_())


def lists_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value as a list of one; null as an empty list."""
    lists = [[] if value is None else [value] for value in values.to_pylist()]
    return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])


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
