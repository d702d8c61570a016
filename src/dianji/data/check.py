"""Check, the line's fifth step: every value is looked at by its column's kind, and rows are compared by content."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dianji.data.columns import Cells
from dianji.data.content import examine
from dianji.data.findings import Findings
from dianji.data.line import Batch, Flow
from dianji.data.quality.alike import told_alike
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
            cells = Cells(table[name], ", ".join(flow.request.sources(name)), table[SOURCE])
            if found := column.of.check(cells, flow.findings):
                values[name] = found
            if column.of.categories != "none" and not flow.request.chunks:
                _warn_of_names(column.of.classes(table[name]), flow.findings)
    return replace(batch, content=examine(table, flow.request.wanted))


def _warn_of_names(classes: pa.ChunkedArray, findings: Findings) -> None:
    """Names of classes that a person would take for one, or for none."""
    counts = Counter(name for names in classes.to_pylist() for name in names or ())
    for warning in told_alike(counts):
        findings.warn(warning)
