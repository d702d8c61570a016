"""Check, the line's fifth step: every value is looked at by its column's kind, and rows are compared by content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dianji.data.columns import Cells
from dianji.data.content import examine
from dianji.data.line import Batch, Flow
from dianji.data.source import SOURCE


def check(flow: Flow) -> Flow:
    """Batches with their content. Damaged values go to the findings; what kinds tell of values, to the report.

    Raises:
        DataError: there are faults, if rows are read as a whole.
    """
    if flow.request.chunks:
        return flow.map(lambda batch: _examined(batch, flow, {}))
    values: dict[str, Any] = {}
    checked = flow.map(lambda batch: _examined(batch, flow, values))
    flow.findings.check()
    return replace(checked, report={**flow.report, "values": values})


def _examined(batch: Batch, flow: Flow, values: dict[str, Any]) -> Batch:
    """The batch with its content; descriptions of its columns go to ``values``."""
    table = batch.table
    for name, column in flow.request.wanted.items():
        if name in table.column_names:
            cells = Cells(table[name], flow.request.spec.columns.get(name, name), table[SOURCE])
            if found := column.of.check(cells, flow.findings):
                values[name] = found
    return replace(batch, content=examine(table, flow.request.wanted))
