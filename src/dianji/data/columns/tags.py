"""Tags: one name per word, such as ``B-PER``, ``I-PER`` and ``O``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import Unfit, lists, rows_of
from dianji.data.columns.base import Categories, Cells, ColumnKind, Sample, Vocabulary
from dianji.data.findings import Findings
from dianji.data.schemes import has_position, spans_of
from dianji.registry import component


@component("column", "tags")
@dataclass(frozen=True)
class Tags(ColumnKind):
    """A list of tags per row, as long as its list of words; in a table's cell as JSON."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.string())
    categories: ClassVar[Categories] = "several"
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"tags?$|bio|iob", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists, and text that may hold them as JSON."""
        return bool(is_list(type_) or is_string(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of tags; a missing list and an item that is no tag are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = rows_of(cells, "a list of tags", findings)
        return lists(rows, _tag, self.arrow, cells, "list of tags", findings)

    def classes(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The type of each span, whatever the scheme; a tag without a position is a span of its own."""
        rows = [[span.label for span in spans_of(value or ())] for value in values.to_pylist()]
        return pa.chunked_array([pa.array(rows, self.arrow)])

    def show(self, value: Any) -> str:
        """Tags with spaces between them."""
        return " ".join(value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """1 to 16 tags of one type."""
        return pa.array([["B-ONE", *["O"] * (row % 16)] for row in range(count)], self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Lists of names of which most are ``O`` or have a position."""
        if not is_list(sample.type) or not is_string(sample.type.value_type):
            return 0.0
        items = [item for value in sample.values for item in value if item is not None]
        telling = sum(map(has_position, items))
        return 0.95 if items and telling >= 0.9 * len(items) else 0.0


def _tag(item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, str | int) or item == "":
        raise Unfit("expected a tag (a name or a whole number)")
    return str(item)
