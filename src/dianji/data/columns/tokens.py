"""Tokens: the words of a text, already divided."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import Unfit, lists, rows_of
from dianji.data.columns._strings import list_lengths, normal
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, digests
from dianji.data.findings import Findings
from dianji.registry import component


@component("column", "tokens")
@dataclass(frozen=True)
class Tokens(ColumnKind):
    """A list of words per row, in the order of the text; in a table's cell as JSON."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.string())
    modality: ClassVar[str] = "text"
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"tokens?|words?|词", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of text, and text that may hold them as JSON."""
        return bool(is_list(type_) or is_string(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of words; a missing list and an item that is no text are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = rows_of(cells, "a list of words", findings)
        return lists(rows, _word, self.arrow, cells, "list of words", findings)

    def key(self, values: pa.ChunkedArray) -> np.ndarray:
        """Case aside."""
        return digests(normal(text).encode("utf-8", "surrogatepass") for text in self.texts(values))

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """No word, or words of white space only."""
        return np.array([not text.strip() for text in self.texts(values)], dtype=bool)

    def length(self, values: pa.ChunkedArray) -> np.ndarray:
        """Characters, with a space between words."""
        return np.array([len(text) for text in self.texts(values)], dtype=np.int64)

    def texts(self, values: pa.ChunkedArray) -> list[str]:
        """Words with spaces between them."""
        return [" ".join(value or ()) for value in values.to_pylist()]

    def check(self, cells: Cells, findings: Findings) -> dict[str, Any]:
        """How many words there are."""
        return {"words": int(list_lengths(cells.values).sum())}

    def show(self, value: Any) -> str:
        """Words with spaces between them."""
        return " ".join(value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """1 to 16 words."""
        rows = [[like.text(1, rng).strip() or "word" for _ in range(1 + row % 16)] for row in range(count)]
        return pa.array(rows, self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Lists of texts that hardly repeat as a whole."""
        if not is_list(sample.type) or not is_string(sample.type.value_type) or not sample.values:
            return 0.0
        return 0.5 if any(len(value) > 1 for value in sample.values) else 0.0


def _word(item: Any) -> str:
    if not isinstance(item, str):
        raise Unfit("expected a word")
    return item
