"""Instructions with their answers in columns of their own, as Alpaca has them, to conversations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.arrow_types import is_string
from dianji.data.columns._records import Unfit
from dianji.data.columns._turns import order_fault, tools_turn, turn, without_nulls
from dianji.data.columns.base import Cells
from dianji.data.findings import Findings

#: Role of a column -> its names, in lower case; the first one is Alpaca's.
NAMES: Mapping[str, tuple[str, ...]] = {
    "instruction": ("instruction", "prompt", "query", "question", "指令", "问题"),
    "input": ("input", "context", "输入"),
    "output": ("output", "response", "answer", "completion", "输出", "回答"),
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "tools": ("tools", "functions"),
}
#: Roles of columns that rows to be answered may lack.
OPTIONAL = frozenset({"input", "output", "system", "history", "tools"})


def role_of(name: str) -> str:
    """What a column of that name is; empty where the name says nothing. ``row.output`` is called ``output``."""
    said = name.rpartition(".")[2].strip().lower().split()[-1:]
    return next((role for role, names in NAMES.items() if said and said[0] in names), "")


def conversations(parts: Sequence[Cells], arrow: pa.DataType, findings: Findings) -> pa.ChunkedArray:
    """Turns of the user and the assistant: history, then the instruction with its input, then the output.

    Raises:
        DataError: a column's name says nothing, two say the same, there is no instruction, or one holds no text.
    """
    by_role = {role_of(cells.name): cells for cells in parts}
    if len(by_role) < len(parts) or "" in by_role or "instruction" not in by_role:
        raise parts[0].wrong(
            f"columns that together are a conversation instead of [{', '.join(cells.name for cells in parts)}]",
            "Name instruction, input, output, system, history or tools, or one column of messages.",
        )
    for role, cells in by_role.items():
        if role not in ("history", "tools") and not _is_text(cells):
            raise cells.wrong("text", "Name another column.")
    values = {role: [without_nulls(value) for value in cells.values.to_pylist()] for role, cells in by_role.items()}
    where = by_role["instruction"]
    rows = [
        _turns({role: of[row] for role, of in values.items()}, where.where(row), where.drops_empty, findings)
        for row in range(len(where.values))
    ]
    return pa.chunked_array([pa.array(rows, arrow)])


def _turns(row: Mapping[str, Any], where: str, drops_empty: bool, findings: Findings) -> list[dict[str, Any]] | None:
    try:
        defined = tools_turn(row.get("tools"))
        earlier = _history(row.get("history"))
    except Unfit as unfit:
        findings.fault(f"{where}: {unfit}. Correct or remove the row.")
        return None
    asked = "\n".join(part for part in (row["instruction"], row.get("input")) if part and part.strip())
    answered = row.get("output")
    empty = "instruction" if not asked else "output" if answered is not None and not answered.strip() else ""
    if empty or ("output" in row and answered is None):
        if not drops_empty:
            findings.fault(
                f"{where}: the {'answer' if empty != 'instruction' else 'instruction'} is empty (column "
                f"'{empty or 'output'}'). Write it, or drop such rows with clean: {{drop_empty: true}}."
            )
        return None
    system = (row.get("system") or "").strip()
    turns = [
        *([defined] if defined else []),
        *([turn("system", system)] if system else []),
        *earlier,
        turn("user", asked),
        *([turn("assistant", answered)] if answered is not None else []),
    ]
    fault = order_fault(turns)
    if fault is not None:
        findings.fault(f"{where}: {fault}. Correct or remove the row.")
        return None
    return turns


def _history(value: Any) -> list[dict[str, Any]]:
    """Pairs of question and answer as turns.

    Raises:
        Unfit: they are none.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unfit("expected the history as a JSON list of [question, answer]") from None
    pairs = value or []
    sound = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) and text.strip() for text in pair)
        for pair in pairs
    )
    if not sound:
        raise Unfit("expected the history as a list of [question, answer], none of them empty")
    return [turn(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]


def _is_text(cells: Cells) -> bool:
    return bool(is_string(cells.values.type) or pa.types.is_null(cells.values.type))
