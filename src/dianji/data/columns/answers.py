"""Answers: passages of a context that answer a question; none where it has no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import Unfit, lists, rows_of
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary
from dianji.data.findings import Findings
from dianji.registry import component

_STARTS = ("start", "answer_start")


@component("column", "answers")
@dataclass(frozen=True)
class Answers(ColumnKind):
    """A list of ``{text, start}`` per row, or SQuAD's ``{text: […], answer_start: […]}``.

    ``start`` is a character offset into the context, null where it is not known. An empty list means: no answer.
    """

    arrow: ClassVar[pa.DataType] = pa.list_(pa.struct([("text", pa.string()), ("start", pa.int64())]))
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"answers?|答案", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of objects or texts, SQuAD's objects, and text that may hold them as JSON."""
        return bool(is_string(type_) or _fits(type_) or (is_list(type_) and is_string(type_.value_type)))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of answers; a missing list, an answer without text and a start below zero are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = [_items(value) for value in rows_of(cells, "a list of answers", findings)]
        return lists(rows, _answer, self.arrow, cells, "list of answers", findings)

    def show(self, value: Any) -> str:
        """The texts, joined by ``|``."""
        return "|".join(answer["text"] for answer in value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """None or one answer."""
        return pa.array([[{"text": "an answer", "start": 0}][: row % 2] for row in range(count)], self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Objects with ``text`` and a start."""
        return 0.95 if _fits(sample.type) else 0.0


def _fits(type_: pa.DataType) -> bool:
    inner = type_.value_type if is_list(type_) else type_
    if not pa.types.is_struct(inner) or inner.get_field_index("text") < 0:
        return False
    return any(inner.get_field_index(name) >= 0 for name in _STARTS)


def _items(value: Any) -> Any:
    """SQuAD's object of two lists as a list of objects; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    texts = value.get("text")
    starts = next((value[name] for name in _STARTS if value.get(name) is not None), None)
    if not isinstance(texts, list):
        return [value]
    starts = [None] * len(texts) if starts is None else starts
    if not isinstance(starts, list) or len(starts) != len(texts):
        return [{"text": None}]  # reported as an answer that does not fit
    return [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]


def _answer(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        item = {"text": item}
    if not isinstance(item, Mapping) or not isinstance(item.get("text"), str) or not item["text"]:
        raise Unfit("expected {text, start}, with as many texts as starts")
    start = next((item[name] for name in _STARTS if item.get(name) is not None), None)
    if start is not None and (isinstance(start, bool) or not isinstance(start, int) or start < 0):
        raise Unfit("expected a whole number of at least 0 as start")
    return {"text": item["text"], "start": start}
