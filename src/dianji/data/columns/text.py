"""Text: a sentence, a message, a document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._strings import blank, characters, normal, strings
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, as_mask, digests, plain
from dianji.data.findings import Findings
from dianji.registry import component

_TOKENS = 32  # of the longest invented text


@component("column", "text")
@dataclass(frozen=True)
class Text(ColumnKind):
    """One text per row; null becomes the empty text."""

    arrow: ClassVar[pa.DataType] = pa.string()
    modality: ClassVar[str] = "text"
    takes_text: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"text|query|question|sentence|body|content|review|message|comment|sms|tweet|utterance|context|passage|title"
        r"|文本|内容|标题|问题|评论",
        re.IGNORECASE,
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Text."""
        return is_string(type_)

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Text as it stands.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        if not is_string(values.type):
            advice = "Name another column, or write the values as text."
            if is_list(values.type):
                advice = "Join each list into one text first, or name another column."
            raise cells.wrong("text", advice)
        if cells.whole:
            for row in np.flatnonzero(as_mask(pc.is_null(values))).tolist():
                findings.fault(
                    f"{cells.where(row)}: the text is missing (column '{cells.name}'). Write it, or remove the row; an "
                    "empty text is written as such."
                )
        return pc.fill_null(strings(values), "")

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """Of the exact text."""
        return digests((value or "").encode("utf-8", "surrogatepass") for value in values.to_pylist())

    def key(self, values: pa.ChunkedArray) -> np.ndarray:
        """Texts that differ in case and white space only are duplicates."""
        return digests(normal(value or "").encode("utf-8", "surrogatepass") for value in values.to_pylist())

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """Nothing but white space."""
        return blank(values)

    def length(self, values: pa.ChunkedArray) -> np.ndarray:
        """Characters."""
        return characters(values)

    def texts(self, values: pa.ChunkedArray) -> list[str]:
        """The values themselves."""
        return [value or "" for value in values.to_pylist()]

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """Texts of 1 to 32 tokens, so that padding occurs."""
        return pa.array([like.text(1 + row % _TOKENS, rng) for row in range(count)], pa.string())

    def looks_like(self, sample: Sample) -> float:
        """Any text; every kind with a form of its own is more specific."""
        return 0.2 if sample.values and is_string(sample.type) else 0.0
