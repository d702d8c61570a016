"""Times as numbers that sort: numbers, dates, or texts in ISO 8601."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.findings import some
from dianji.errors import DataError


def numbers_of(column: pa.ChunkedArray, sources: pa.ChunkedArray, section: str) -> np.ndarray:
    """Numbers or moments that sort; texts are numbers throughout, or ISO 8601 throughout.

    Raises:
        DataError: a row has no time, or one that cannot be read.
    """
    missing = [str(sources[row]) for row in np.flatnonzero(np.asarray(column.is_null().to_numpy(), dtype=bool))]
    if missing:
        raise DataError(
            f"{section}.split.time: no time in {some(missing)}. Fill it in, or leave these rows out of the file."
        )
    if not (is_string(column.type) or _sorts(column.type)):
        raise DataError(
            f"{section}.split.time: the column holds {column.type} where numbers, dates or ISO 8601 texts are expected."
        )
    if _sorts(column.type):
        return np.asarray(column.to_numpy())
    numbers, unreadable = seconds(column)
    if unreadable:
        raise DataError(
            f"{section}.split.time: neither ISO 8601 (2026-03-31, 2026-03-31T18:00:00+02:00) nor numbers: "
            f"{some(f'{sources[row]} ({column[row].as_py()!r})' for row in unreadable)}. Write all times in one way."
        )
    return numbers


def seconds(column: pa.ChunkedArray) -> tuple[np.ndarray, list[int]]:
    """(rows,) float64, NaN where a time is missing or unreadable; and the rows whose time is unreadable.

    Dates and ISO 8601 texts are seconds since 1970, numbers stay as they are.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        whole = column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        return np.array([np.nan if value is None else value / 1e6 for value in whole], dtype=np.float64), []
    if not is_string(column.type):
        values = column.to_pylist()
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64), []
    texts = [None if text is None or not text.strip() else text for text in column.to_pylist()]
    numbers = [None if text is None else _number(text) for text in texts]
    if any(text is not None and number is None for text, number in zip(texts, numbers, strict=True)):
        numbers = [None if text is None else moment(text) for text in texts]
    unreadable = [row for row, text in enumerate(texts) if text is not None and numbers[row] is None]
    return np.array([np.nan if number is None else number for number in numbers], dtype=np.float64), unreadable


def moment(text: str) -> float | None:
    """Seconds since 1970; UTC where the text names no zone; None where it is no ISO 8601."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _sorts(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_timestamp(type_)
        or pa.types.is_date(type_)
        or pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
