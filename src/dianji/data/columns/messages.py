"""Messages: a conversation, each turn with its role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import Unfit, lists, rows_of
from dianji.data.columns._strings import normal
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, digests
from dianji.data.findings import Findings
from dianji.registry import component

#: The field names of the usual layouts: (role, content).
_LAYOUTS = (("role", "content"), ("from", "value"))
#: What roles are called elsewhere.
_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant"}


@component("column", "messages")
@dataclass(frozen=True)
class Messages(ColumnKind):
    """A list of ``{role, content}`` per row (or ShareGPT's ``{from, value}``); in a table's cell as JSON."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    modality: ClassVar[str] = "text"
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"messages|conversations?|dialog|chat|turns|对话", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of objects, and text that may hold them as JSON."""
        return bool(is_string(type_) or _fits(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of turns; a missing list and a turn without role or content are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = rows_of(cells, "a list of messages", findings)
        return lists(rows, _turn, self.arrow, cells, "list of messages", findings)

    def key(self, values: pa.ChunkedArray) -> np.ndarray:
        """Case and white space aside."""
        return digests(normal(text).encode("utf-8", "surrogatepass") for text in self._told(values))

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """Nothing is said."""
        return np.array([not text.strip() for text in self.texts(values)], dtype=bool)

    def length(self, values: pa.ChunkedArray) -> np.ndarray:
        """Characters of all contents."""
        return np.array([len(text) for text in self.texts(values)], dtype=np.int64)

    def texts(self, values: pa.ChunkedArray) -> list[str]:
        """The contents, one per line."""
        return ["\n".join(turn["content"] for turn in value or ()) for value in values.to_pylist()]

    def show(self, value: Any) -> str:
        """``user: …`` and so on, one turn per line."""
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """A question and its answer."""
        return pa.array(
            [
                [{"role": role, "content": like.text(1 + row % 16, rng)} for role in ("user", "assistant")]
                for row in range(count)
            ],
            self.arrow,
        )

    def looks_like(self, sample: Sample) -> float:
        """Lists of objects with a role and a content."""
        return 0.95 if _fits(sample.type) else 0.0

    def _told(self, values: pa.ChunkedArray) -> list[str]:
        return [self.show(value) for value in values.to_pylist()]


def _fits(type_: pa.DataType) -> bool:
    if not is_list(type_) or not pa.types.is_struct(type_.value_type):
        return False
    inner = type_.value_type
    return any(min(inner.get_field_index(name) for name in names) >= 0 for names in _LAYOUTS)


def _turn(item: Any) -> dict[str, str]:
    for role, content in _LAYOUTS:
        if isinstance(item, Mapping) and isinstance(item.get(role), str) and isinstance(item.get(content), str):
            return {"role": _ROLES.get(item[role], item[role]), "content": item[content]}
    raise Unfit("expected {role, content}, both text")
