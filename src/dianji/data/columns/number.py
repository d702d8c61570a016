"""Number: a score, a rating, a measurement."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns._classes import is_number
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, plain
from dianji.data.findings import Findings
from dianji.data.quantiles import quantiles
from dianji.registry import component


@component("column", "number")
@dataclass(frozen=True)
class Number(ColumnKind):
    """A finite number per row, or the text of one."""

    arrow: ClassVar[pa.DataType] = pa.float64()
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"score|rating|value|number|amount|price|similarity|grade|stars|评分|分数", re.IGNORECASE
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Numbers, and text that may hold them."""
        return _numeric(type_) or is_string(type_)

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Double-precision numbers; a missing, infinite or unreadable one is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if not (self.accepts(values.type) or pa.types.is_null(values.type)):
            raise cells.wrong("a number", "Name another column.")
        numbers = [_parsed(value, row, cells, findings) for row, value in enumerate(values.to_pylist())]
        array = pa.array(numbers, self.arrow)
        cells.missing(array.is_null(), "number", findings)
        return pa.chunked_array([pa.array([None if _lacks(number) else number for number in numbers], self.arrow)])

    def check(self, cells: Cells, findings: Findings) -> dict[str, Any]:
        """Quantiles."""
        found = cells.values.drop_null().to_numpy()
        return dict(quantiles(np.asarray(found, dtype=np.float64)))

    def show(self, value: Any) -> str:
        """At most six significant digits."""
        return "" if value is None else f"{value:g}"

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """Between 0 and 1."""
        return pa.array(rng.random(count), self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Numbers, or texts that are numbers throughout."""
        if not sample.values:
            return 0.0
        if _numeric(sample.type):
            return 0.5
        return 0.5 if is_string(sample.type) and all(is_number(value) for value in sample.values) else 0.0


def _numeric(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _parsed(value: Any, row: int, cells: Cells, findings: Findings) -> float | None:
    """None where the value is missing; a fault, and NaN, where it is no finite number."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.inf
    if math.isnan(number):  # what pandas writes for a missing number
        return None
    if math.isinf(number):
        findings.fault(f"{cells.where(row)}: column '{cells.name}' holds {value!r:.80} where a number is expected.")
        return math.nan
    return number


def _lacks(number: float | None) -> bool:
    return number is None or math.isnan(number)
