"""Time: a date, a moment, or a number that orders rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, plain
from dianji.data.findings import Findings
from dianji.data.times import moment, seconds
from dianji.registry import component


@component("column", "time")
@dataclass(frozen=True)
class Time(ColumnKind):
    """Dates and ISO 8601 texts become seconds since 1970 (UTC where no zone is named); numbers stay as they are."""

    arrow: ClassVar[pa.DataType] = pa.float64()
    telling: ClassVar[re.Pattern[str]] = re.compile(r"time|date|created|year|时间|日期", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Dates, numbers, text."""
        return bool(
            pa.types.is_timestamp(type_)
            or pa.types.is_date(type_)
            or pa.types.is_integer(type_)
            or pa.types.is_floating(type_)
            or is_string(type_)
        )

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Numbers that sort; a missing or unreadable time is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if not (self.accepts(values.type) or pa.types.is_null(values.type)):
            raise cells.wrong("a time (a date, ISO 8601, or a number)", "Name another column.")
        numbers, unreadable = seconds(values)
        for row in unreadable:
            findings.fault(
                f"{cells.where(row)}: column '{cells.name}' holds {values[row].as_py()!r:.80} where a time is "
                "expected: ISO 8601 (2026-03-31, 2026-03-31T18:00:00+02:00) or a number."
            )
        array = pa.array(numbers, self.arrow, from_pandas=True)
        known = np.ones(len(array), dtype=bool)
        known[unreadable] = False
        cells.missing(pa.array(np.isnan(numbers) & known), "time", findings)
        return pa.chunked_array([array])

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """One day after the other."""
        return pa.array(86_400.0 * np.arange(count), self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Dates, or texts in ISO 8601 throughout."""
        if pa.types.is_temporal(sample.type):
            return 0.9
        if not is_string(sample.type) or not sample.values:
            return 0.0
        return 0.8 if all(moment(value) is not None for value in sample.values) else 0.0
