"""A column to order rows by: numbers, dates, or texts in ISO 8601."""

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
    if not is_string(column.type):
        if pa.types.is_temporal(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return np.asarray(column.to_numpy())
        raise DataError(
            f"{section}.split.time: the column holds {column.type} where numbers, dates or ISO 8601 texts are expected."
        )
    texts = column.to_pylist()
    parsed = [moment(text) for text in texts]
    numbers = [_number(text) for text in texts]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    wrong = [f"{sources[row]} ('{texts[row]}')" for row, value in enumerate(parsed) if value is None]
    if wrong:
        raise DataError(
            f"{section}.split.time: neither ISO 8601 (2026-03-31, 2026-03-31T18:00:00+02:00) nor numbers: "
            f"{some(wrong)}. Write all times in one way."
        )
    return np.array(parsed, dtype=np.float64)


def moment(text: str) -> float | None:
    """Seconds since 1970; UTC where the text names no zone; None where it is no ISO 8601."""
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
