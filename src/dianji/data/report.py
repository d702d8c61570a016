"""Report, the line's last step: what stands in every split, and what to know before trusting a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.check import values_of
from dianji.data.content import Content
from dianji.data.findings import Findings, plural
from dianji.data.language import detect
from dianji.data.line import Flow
from dianji.data.quality.near import QUICK, near_duplicates
from dianji.data.quantiles import quantiles
from dianji.data.rows import EXAMPLES, Rows
from dianji.data.shared import shared_values
from dianji.data.source import SPLITS
from dianji.errors import DataError


def report(flow: Flow) -> Flow:
    """The flow of rows that were read as a whole, with the data report complete.

    Raises:
        DataError: under ``strict``: leakage, near-duplicates of training in held-out rows, conflicting labels.
    """
    request, batch = flow.request, flow.whole
    rows = Rows(batch.table, batch.content, batch.split, request.wanted)
    told = {
        "name": request.name,
        "digest": flow.digest,
        "files": files(flow),
        "removed": dict(flow.report["removed"]),
        **build(rows, flow.findings),
    }
    if shared := shared_values(rows, request.spec.columns, flow.findings):
        told["shared"] = shared
    whole = batch.table.num_rows == flow.report["checked"]  # else of the rows that are used
    values = flow.report["values"] if whole else values_of(batch.table, request, Findings())
    for column, described in values.items():
        told.setdefault(request.wanted[column].of.reported_as, {})[column] = described
    if request.spec.strict:
        _refuse(told, flow.findings, request.section)
        _refuse_near(rows, request.section)
    warnings = {"warnings": list(warnings_of(flow))}
    return replace(flow, report={**told, **warnings})


def files(flow: Flow) -> list[dict[str, Any]]:
    """How each file was read."""
    return [
        {
            "name": reading.place.name,
            "format": reading.format,
            "encoding": flow.findings.encodings.get(reading.place.name),
            "rows": flow.findings.rows.get(reading.place.name, 0),
        }
        for reading in flow.readings
    ]


def warnings_of(flow: Flow) -> tuple[str, ...]:
    """The warnings that were found, each with the section of the recipe that it is about."""
    section = flow.request.section
    return tuple(
        f"{section}: {warning}".replace(f"{section}: {section}", section) for warning in flow.findings.warnings
    )


def build(rows: Rows, findings: Findings) -> dict[str, Any]:
    """What rows hold, as plain values; what a person must see goes to ``findings`` as warnings."""
    present = [(code, name) for code, name in enumerate(SPLITS) if (rows.split == code).any()]
    report: dict[str, Any] = {
        "rows": {name: int((rows.split == code).sum()) for code, name in present},
        "columns": {name: column.kind for name, column in rows.columns.items()},
        "empty": _empty(rows, findings),
        "duplicates": _duplicates(rows),
        "conflicts": _conflicts(rows, findings),
        "leakage": _leakage(rows, findings),
    }
    named = [name for name in rows.targets() if rows.columns[name].of.categories != "none"]
    if named:
        classes = rows.columns[named[0]].of.classes(rows.table[named[0]])
        report["labels"] = {name: _label_counts(classes, rows.split == code) for code, name in present}
    if texts := rows.texts():
        report["characters"] = {name: quantiles(rows.content.length[rows.split == code]) for code, name in present}
        joined = [text for column in texts.values() for text in column]
        report["languages"] = [{"language": code, "share": share} for code, share in detect(joined)]
    return report


def with_token_lengths(report: Mapping[str, Any], lengths: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The report with quantiles of tokens per row under ``tokens``; ``lengths`` holds split -> (rows,) tokens."""
    return {**report, "tokens": {split: quantiles(values) for split, values in lengths.items()}}


def _empty(rows: Rows, findings: Findings) -> dict[str, Any]:
    positions = np.flatnonzero(rows.content.empty)
    if len(positions):
        where = _listed(rows, positions)
        findings.warn(
            f"{plural(len(positions), 'row')} without content: {where}. To leave such rows out: clean: "
            f"{{drop_empty: true}}"
        )
    return {"count": len(positions), "rows": rows.where(positions)}


def _duplicates(rows: Rows) -> dict[str, Any]:
    """Rows after the first with the same input and targets."""
    filled = np.flatnonzero(~rows.content.empty)
    pair = _pairs(rows.content)[filled]
    _, first = np.unique(pair, return_index=True)
    again = np.ones(len(filled), dtype=bool)
    again[first] = False
    return {"count": int(again.sum()), "rows": rows.where(filled[again])}


def _conflicts(rows: Rows, findings: Findings) -> dict[str, Any]:
    """The same input with different classes."""
    content = rows.content
    if not rows.classified:
        return {"count": 0, "rows": []}
    filled = np.flatnonzero(~content.empty)
    pairs, first = np.unique(_pairs(content)[filled], return_index=True)
    keys = pairs // _base(content)
    several, counts = np.unique(keys, return_counts=True)
    clashing = several[counts > 1]
    if not len(clashing):
        return {"count": 0, "rows": []}
    involved = filled[np.isin(content.key[filled], clashing)]
    named = filled[first[np.isin(keys, clashing[:EXAMPLES])]]
    by_key: dict[int, list[str]] = {}
    for row in named.tolist():
        by_key.setdefault(int(content.key[row]), []).append(f"{rows.sources[row]} ({rows.target(row)})")
    examples = [" / ".join(places) for places in by_key.values()]
    more = len(clashing) - len(examples)
    listed = "; ".join(examples) + (f"; and {more:,} more" if more > 0 else "")
    findings.warn(f"{plural(len(clashing), 'input')} with different labels ({plural(len(involved), 'row')}): {listed}")
    return {"count": len(clashing), "rows": examples}


def _leakage(rows: Rows, findings: Findings) -> dict[str, Any]:
    """Rows of validation and test whose input, case and white space aside, also stands in training."""
    content = rows.content
    filled = ~content.empty
    training = np.flatnonzero((rows.split == 0) & filled)
    known, first = np.unique(content.key[training], return_index=True)
    found: dict[str, Any] = {}
    for code, name in ((1, "validation"), (2, "test")):
        held_out = np.flatnonzero((rows.split == code) & filled)
        leaked = held_out[np.isin(content.key[held_out], known)]
        twins = training[first[np.searchsorted(known, content.key[leaked[:EXAMPLES]])]] if len(leaked) else leaked
        pairs = [
            f"{rows.sources[int(row)]} = {rows.sources[int(twin)]}"
            for row, twin in zip(leaked[:EXAMPLES], twins, strict=True)
        ]
        if len(leaked):
            more = f"; and {len(leaked) - len(pairs):,} more" if len(leaked) > len(pairs) else ""
            stands = "stands" if len(leaked) == 1 else "stand"
            findings.warn(f"{plural(len(leaked), 'row')} of {name} also {stands} in training: {'; '.join(pairs)}{more}")
        found[name] = {"count": len(leaked), "rows": pairs}
    return found


def _pairs(content: Content) -> np.ndarray:
    return np.asarray(content.key * _base(content) + content.target)


def _base(content: Content) -> int:
    return int(content.target.max(initial=0)) + 1


def _listed(rows: Rows, positions: np.ndarray) -> str:
    more = f"; and {len(positions) - EXAMPLES:,} more" if len(positions) > EXAMPLES else ""
    return "; ".join(rows.where(positions)) + more


def _label_counts(classes: pa.ChunkedArray, mask: np.ndarray) -> dict[str, int]:
    """Class -> rows that carry it (or spans, where values are spans), the commonest first."""
    values = pc.list_flatten(classes.filter(pa.array(mask)))
    counts = {
        str(item["values"]): int(item["counts"])
        for item in pc.value_counts(values).to_pylist()
        if item["values"] is not None
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _refuse(report: Mapping[str, Any], findings: Findings, section: str) -> None:
    """Under ``strict`` what measures wrongly is no longer only a warning."""
    leaks = [report["leakage"], *report.get("shared", {}).values()]
    if sum(entry["count"] for of in leaks for entry in of.values()) or report["conflicts"]["count"]:
        refused = ("also stand", "different labels", "with rows of training")
        told = [warning for warning in findings.warnings if any(words in warning for words in refused)]
        raise DataError("\n".join(f"{section}: {warning}. Repair the rows, or leave out strict." for warning in told))


def _refuse_near(rows: Rows, section: str) -> None:
    """The same for inputs that nearly repeat training; without ``strict`` a run warns of them."""
    findings = Findings()
    report = near_duplicates(rows, findings, QUICK)
    if any(entry["count"] for entry in report.get("leakage", {}).values()):
        told = [warning for warning in findings.warnings if "of training" in warning]
        raise DataError("\n".join(f"{section}: {warning}. Repair the rows, or leave out strict." for warning in told))
