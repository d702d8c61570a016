"""Reading a task's columns: what is said about a row that cannot be read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dianji.errors import DataError

#: Where a row comes from ("intents.csv, line 214"), if whoever read it says so.
SOURCE = "__source__"


def where(table: pa.Table, row: int) -> str:
    """How a person finds the row again."""
    if SOURCE in table.column_names:
        source = table[SOURCE][row].as_py()
        if source:
            return str(source)
    return f"row {row + 1}"


def texts(table: pa.Table) -> list[str]:
    """The ``text`` column.

    Raises:
        DataError: a text is null; an empty one is fine.
    """
    column = table["text"]
    refuse_null(table, "text", "a text (an empty one is allowed)")
    found: list[str] = column.to_pylist()
    return found


def refuse_null(table: pa.Table, name: str, expected: str) -> None:
    """Refuse a column with nulls.

    Raises:
        DataError: names the first row.
    """
    column = table[name]
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataError(
            f"{where(table, row)}: column '{name}' is null, as in {column.null_count} of {len(column)} rows; "
            f"expected {expected}. Fill the rows, or leave them out."
        )


def refuse_empty(table: pa.Table) -> None:
    """Refuse a training split without rows.

    Raises:
        DataError: there are none.
    """
    if table.num_rows == 0:
        raise DataError("the training split has no rows; expected at least one. Check the data and its split.")
