"""Spans: passages of a text with a name each, by character offsets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import Unfit, lists, rows_of
from dianji.data.columns.base import Categories, Cells, ColumnKind, Sample, Vocabulary, digests
from dianji.data.findings import Findings
from dianji.registry import component

_NAMES = ("label", "type", "entity", "tag")  # of the field that names a span


@component("column", "spans")
@dataclass(frozen=True)
class Spans(ColumnKind):
    """A list of ``{start, end, label}`` or ``[start, end, label]`` per row; ``end`` is the first character after."""

    arrow: ClassVar[pa.DataType] = pa.list_(
        pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())])
    )
    categories: ClassVar[Categories] = "several"
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"spans?|entit|annotations?|实体", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of objects, and text that may hold them as JSON."""
        return bool(is_string(type_) or (is_list(type_) and _fits(type_.value_type)))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of spans; a missing list, a span without a name and offsets that cannot be are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = rows_of(cells, "a list of spans", findings)
        return lists(rows, _span, self.arrow, cells, "list of spans", findings)

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """Of the set of spans: their order means nothing."""
        return digests(
            repr(sorted((span["start"], span["end"], span["label"]) for span in value or ())).encode()
            for value in values.to_pylist()
        )

    def classes(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The name of each span."""
        rows = [[span["label"] for span in value or ()] for value in values.to_pylist()]
        return pa.chunked_array([pa.array(rows, pa.list_(pa.string()))])

    def show(self, value: Any) -> str:
        """``0–5 PER, 9–12 LOC``."""
        return ", ".join(f"{span['start']}–{span['end']} {span['label']}" for span in value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """None or one span."""
        return pa.array([[{"start": 0, "end": 1, "label": "ONE"}][: row % 2] for row in range(count)], self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Lists of objects with ``start`` and ``end``."""
        return 0.95 if is_list(sample.type) and _fits(sample.type.value_type) else 0.0


def _fits(type_: pa.DataType) -> bool:
    return bool(pa.types.is_struct(type_) and min(type_.get_field_index("start"), type_.get_field_index("end")) >= 0)


def _span(item: Any) -> dict[str, Any]:
    if isinstance(item, list) and len(item) == 3:
        start, end, label = item
    elif isinstance(item, Mapping):
        start, end = item.get("start"), item.get("end")
        label = next((item[name] for name in _NAMES if item.get(name) is not None), None)
    else:
        raise Unfit("expected {start, end, label}")
    if not (_whole(start) and _whole(end)) or not isinstance(label, str) or not label:
        raise Unfit("expected whole numbers start and end, and a name as label")
    if not 0 <= start < end:
        raise Unfit("expected 0 <= start < end")
    return {"start": start, "end": end, "label": label}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
