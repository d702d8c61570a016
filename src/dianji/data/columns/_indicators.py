"""Columns that each say of one class whether it is there: one-hot and multi-hot tables."""

from __future__ import annotations

from collections.abc import Sequence

from dianji.data.columns._lists import indicator
from dianji.data.columns.base import Cells, plain
from dianji.data.findings import Findings


def indicated(parts: Sequence[Cells], findings: Findings) -> list[list[str]]:
    """The names of the columns that hold 1, row by row. A missing value and any other than 0 and 1 is a fault."""
    rows: list[list[str]] = [[] for _ in range(len(parts[0].values))]
    for cells in parts:
        for row, value in enumerate(plain(cells.values).to_pylist()):
            flag = indicator(value)
            if flag:
                rows[row].append(cells.name)
            elif flag is None and not (value in (None, "") and cells.drops_empty):
                findings.fault(
                    f"{cells.where(row)}: column '{cells.name}' holds {value!r:.60} where 0 or 1 is expected, because "
                    "it is one of several columns for labels."
                )
    return rows
