"""Id: what tells rows, customers or documents apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_string
from dianji.data.columns._strings import strings
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, as_mask, plain
from dianji.data.findings import Findings
from dianji.registry import component


@component("column", "id")
@dataclass(frozen=True)
class Id(ColumnKind):
    """A string or a whole number, held as text."""

    arrow: ClassVar[pa.DataType] = pa.string()
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"(^|_|[a-z](?=I))id$|uuid|guid|customer|user|client|patient|author|speaker|session|account|客户|用户",
        re.IGNORECASE,
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Text and whole numbers."""
        return bool(is_string(type_) or pa.types.is_integer(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Text without white space around it; a missing id is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if not (self.accepts(values.type) or pa.types.is_null(values.type)):
            raise cells.wrong("an id (a string or a whole number)", "Name another column.")
        texts = pc.utf8_trim_whitespace(strings(values))
        cells.missing(pc.fill_null(pc.equal(texts, ""), True), "id", findings)
        return texts

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """No text."""
        return as_mask(pc.fill_null(pc.equal(values, ""), True))

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """``row-0``, ``row-1`` and so on."""
        return pa.array([f"row-{row}" for row in range(count)], pa.string())

    def looks_like(self, sample: Sample) -> float:
        """Whole numbers that never repeat, or short texts with digits and without spaces."""
        if not sample.values or not self.accepts(sample.type):
            return 0.0
        distinct = len(set(sample.values))
        texts = [str(value).strip() for value in sample.values]
        if all(text.lstrip("-").isdecimal() for text in texts):
            return 0.6 if distinct == len(texts) > 2 else 0.0
        coded = all(" " not in text and any(sign.isdecimal() for sign in text) for text in texts)
        return 0.4 if coded and float(np.mean([len(text) for text in texts])) <= 40 else 0.0
