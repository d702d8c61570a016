"""Check, the line's fifth step: every value is looked at by its column's kind, and rows are compared by content."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dianji.data.columns import Cells
from dianji.data.content import examine
from dianji.data.findings import Findings
from dianji.data.line import Batch, Flow, Request
from dianji.data.quality.alike import told_alike
from dianji.data.source import SOURCE


def check(flow: Flow) -> Flow:
    """Batches with their content. Damaged values go to the findings; what kinds tell of values, to the report.

    Raises:
        DataError: there are faults, if rows are read as a whole.
    """
    if flow.request.chunks:
        return flow.map(lambda batch: _examined(batch, flow)[0])
    batch, values = _examined(flow.whole, flow)
    flow.findings.check()
    checked = {"values": values, "checked": batch.table.num_rows}
    return replace(flow, batches=(batch,), report={**flow.report, **checked})


def values_of(table: pa.Table, request: Request, findings: Findings) -> dict[str, Any]:
    """What the column kinds tell of a table's values: column -> description. Damaged values go to ``findings``."""
    found = {}
    for name, column in request.wanted.items():
        if name in table.column_names:
            told = column.of.check(Cells(table[name], ", ".join(request.sources(name)), table[SOURCE]), findings)
            found.update({name: told} if told else {})
    return found


def _examined(batch: Batch, flow: Flow) -> tuple[Batch, dict[str, Any]]:
    """The batch with its content, and what kinds tell of its values."""
    table, request = batch.table, flow.request
    values = values_of(table, request, flow.findings)
    for name, column in request.wanted.items():
        if name in table.column_names and column.of.categories != "none" and not request.chunks:
            _warn_of_names(column.of.classes(table[name]), flow.findings)
    return replace(batch, content=examine(table, request.wanted)), values


def _warn_of_names(classes: pa.ChunkedArray, findings: Findings) -> None:
    """Names of classes that a person would take for one, or for none."""
    counts = Counter(name for names in classes.to_pylist() for name in names or ())
    for warning in told_alike(counts):
        findings.warn(warning)
