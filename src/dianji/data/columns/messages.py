"""Messages: a conversation, each turn with its role; from OpenAI's, ShareGPT's or Alpaca's layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns import _instructions
from dianji.data.columns._records import BROKEN, Unfit, rows_of
from dianji.data.columns._strings import normal
from dianji.data.columns._turns import (
    LAYOUTS,
    TURN,
    as_openai,
    calls_of,
    order_fault,
    tools_turn,
    turn,
    turn_of,
    unread,
    without_nulls,
)
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, digests
from dianji.data.findings import Findings, some
from dianji.registry import component

_EXPECTED = "a list of messages"


@component("column", "messages")
@dataclass(frozen=True)
class Messages(ColumnKind):
    """A list of turns per row: OpenAI's ``{role, content}`` with tool calls, or ShareGPT's ``{from, value}``.

    In a table's cell as JSON. Several columns together are a conversation too: the list with ``tools`` or ``system``
    beside it, or Alpaca's ``instruction``, ``input`` and ``output``, with ``system``, ``history`` and ``tools``.
    """

    arrow: ClassVar[pa.DataType] = pa.list_(TURN)
    modality: ClassVar[str] = "text"
    takes_text: ClassVar[bool] = True
    reads_json: ClassVar[bool] = True
    telling: ClassVar[re.Pattern[str]] = re.compile(r"messages|conversations?|dialog|chat|turns|对话", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of objects, and text that may hold them as JSON."""
        return bool(is_string(type_) or _fits(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Records of turns. A missing list, an unknown role, an empty turn and turns out of order are faults.

        Raises:
            DataError: the column holds something else.
        """
        return self._converted(cells, [], [], findings)

    def combine(self, parts: Sequence[Cells], findings: Findings) -> pa.ChunkedArray:
        """A conversation with ``tools`` and ``system`` beside it, or instructions with their answers.

        Raises:
            DataError: columns are of other kinds or names.
        """
        lists = [cells for cells in parts if self.telling.search(cells.name) or _fits(cells.values.type)]
        if not lists:
            return _instructions.conversations(parts, self.arrow, findings)
        names = {cells.name for cells in lists}
        beside = {_instructions.role_of(cells.name): cells for cells in parts if cells.name not in names}
        if len(lists) > 1 or len(beside) + 1 < len(parts) or not set(beside) <= {"tools", "system"}:
            raise parts[0].wrong(
                f"one list of messages with 'tools' and 'system' beside it instead of "
                f"[{', '.join(cells.name for cells in parts)}]",
                "Name the list of messages, and columns called tools or system.",
            )
        values = {role: _plain(cells) for role, cells in beside.items()}
        return self._converted(lists[0], values.get("tools", ()), values.get("system", ()), findings)

    def needed(self, sources: Sequence[str]) -> list[str]:
        """All but the answers and what a row may lack."""
        return [name for name in sources if _instructions.role_of(name) not in _instructions.OPTIONAL]

    def given(self, values: Sequence[Any]) -> pa.Array:
        """Lists of messages; a text alone is a question of the user."""
        return super().given([[{"role": "user", "content": row}] if isinstance(row, str) else row for row in values])

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """Of all turns with everything in them."""
        return super().hash(values)

    def key(self, values: pa.ChunkedArray) -> np.ndarray:
        """Case and white space aside."""
        return digests(normal(text).encode("utf-8", "surrogatepass") for text in map(self.show, values.to_pylist()))

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """Nothing is said."""
        return np.array([not value for value in values.to_pylist()], dtype=bool)

    def length(self, values: pa.ChunkedArray) -> np.ndarray:
        """Characters of all contents."""
        return np.array([len(text) for text in self.texts(values)], dtype=np.int64)

    def texts(self, values: pa.ChunkedArray) -> list[str]:
        """The contents, one per line; definitions of tools are no natural language."""
        return [
            "\n".join(one["content"] for one in value or () if one["role"] != "tools") for value in values.to_pylist()
        ]

    def show(self, value: Any) -> str:
        """``user: …`` and so on, one turn per line; a tool call as ``name(arguments)``."""
        return "\n".join(f"{one['role']}: {_said(one)}" for one in value or ())

    def to_json(self, values: pa.ChunkedArray) -> list[Any]:
        """Messages as OpenAI has them, without what is empty."""
        return [None if value is None else [as_openai(one) for one in value] for value in values.to_pylist()]

    def from_probe(self, values: Sequence[Any], tensors: Mapping[str, np.ndarray]) -> pa.Array:
        """Inverse of ``to_probe``."""
        return self.from_json(values)

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """A question and its answer."""
        rows = [
            [turn(role, like.text(1 + row % 16, rng) or "a") for role in ("user", "assistant")] for row in range(count)
        ]
        return pa.array(rows, self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Lists of objects with a role and a content."""
        if _fits(sample.type):
            return 0.95
        texts = [value for value in sample.values if isinstance(value, str)]
        if not texts or len(texts) < len(sample.values) or not all(text.lstrip().startswith("[") for text in texts):
            return 0.0
        cells = Cells(pa.chunked_array([pa.array(texts)]), sample.name, [""] * len(texts))
        findings = Findings()
        rows = rows_of(cells, _EXPECTED, findings)
        return 0.95 if not findings.count and all(_is_conversation(row) for row in rows) else 0.0

    def _converted(
        self, cells: Cells, tools: Sequence[Any], system: Sequence[Any], findings: Findings
    ) -> pa.ChunkedArray:
        """Turns of each row, after those that stand in columns of their own."""
        rows = _rows(cells, findings)
        found: list[list[Any] | None] = []
        for row, value in enumerate(rows):
            where = f"{cells.where(row)}: column '{cells.name}'"
            told = (system[row] or "").strip() if row < len(system) else ""
            first = [{"role": "system", "content": told}] if told else []
            defined = tools[row] if row < len(tools) else None
            found.append(_turns(value, first, defined, where, findings))
        cells.missing(pa.array([value is None for value in rows], pa.bool_()), "list of messages", findings)
        ignored = unread(chain.from_iterable(value for value in rows if isinstance(value, list)))
        if ignored:
            findings.warn(
                f"column '{cells.name}': turns have keys that are not read: {some(sorted(ignored))}. What they hold is "
                "not part of the conversation"
            )
        return pa.chunked_array([pa.array(found, self.arrow)])


def _rows(cells: Cells, findings: Findings) -> list[Any]:
    """Plain values; Arrow's objects without the keys that other rows have."""
    rows = rows_of(cells, _EXPECTED, findings)
    return rows if is_string(cells.values.type) else [without_nulls(row) for row in rows]


def _plain(cells: Cells) -> list[Any]:
    values = cells.values
    rows: list[Any] = values.to_pylist()
    return rows if is_string(values.type) else [without_nulls(row) for row in rows]


def _turns(value: Any, first: Sequence[Any], tools: Any, where: str, findings: Findings) -> list[dict[str, Any]] | None:
    """Turns of a row; None where there are none, or one is at fault."""
    if value is None or value is BROKEN:
        return None
    if not isinstance(value, list):
        findings.fault(f"{where} holds {type(value).__name__} where {_EXPECTED} is expected. Write a list of turns.")
        return None
    try:
        defined = tools_turn(tools)
    except Unfit as unfit:
        findings.fault(f"{where}, its tools: {unfit}, found {str(tools)[:80]!r}. Correct the definitions.")
        return None
    turns, bad = [defined] if defined else [], False
    for number, item in enumerate([*first, *value], start=1 - len(first)):
        try:
            turns.append(turn_of(item))
        except Unfit as unfit:
            findings.fault(f"{where}, item {number}: {unfit}, found {str(item)[:80]!r}. Correct or remove the row.")
            bad = True
    fault = None if bad else order_fault(turns)
    if fault is not None:
        findings.fault(f"{where}: {fault}. Put the turns in order, or remove the row.")
    return None if bad or fault else turns


def _fits(type_: pa.DataType) -> bool:
    if not is_list(type_) or not pa.types.is_struct(type_.value_type):
        return False
    inner = type_.value_type
    return any(min(inner.get_field_index(name) for name in names) >= 0 for names in LAYOUTS)


def _is_conversation(value: Any) -> bool:
    turns = value if isinstance(value, list) else [None]
    return all(isinstance(one, Mapping) and any(isinstance(one.get(role), str) for role, _ in LAYOUTS) for one in turns)


def _said(one: Mapping[str, Any]) -> str:
    calls = "; ".join(f"{call['name']}({call['arguments']})" for call in calls_of(one))
    return " ".join(part for part in (one["content"], calls) if part)
