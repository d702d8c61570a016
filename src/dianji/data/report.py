"""The data report: what stands in every split, and what to know before trusting a figure measured on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.columns import Column
from dianji.data.content import Content
from dianji.data.findings import Findings, plural
from dianji.data.images import header
from dianji.data.language import detect
from dianji.data.source import SOURCE, SPLITS
from dianji.errors import DataError

#: Rows named in a warning or an entry of the report; the rest are counted.
EXAMPLES = 10
_QUANTILES = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Rows:
    """All rows that are used, each with its split (a number into ``SPLITS``)."""

    table: pa.Table
    content: Content
    split: np.ndarray  # (rows,) int8
    columns: Mapping[str, Column]
    sources: pa.ChunkedArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", self.table[SOURCE])

    def of(self, kind: str, *, target: bool) -> list[str]:
        """Names of the task's columns of a kind."""
        return [name for name, column in self.columns.items() if column.kind == kind and column.target == target]

    def where(self, positions: Sequence[int] | np.ndarray) -> list[str]:
        """Sources of the first rows among ``positions``."""
        return [self.sources[int(row)].as_py() for row in positions[:EXAMPLES]]

    def target(self, row: int) -> str:
        """The targets of a row in words."""
        targets = [self.table[name][int(row)].as_py() for name, column in self.columns.items() if column.target]
        return ", ".join("|".join(target) if isinstance(target, list) else str(target) for target in targets)


def build(rows: Rows, findings: Findings) -> dict[str, Any]:
    """The report as plain values; what a person must see goes to ``findings`` as warnings, damaged images as faults."""
    present = [(code, name) for code, name in enumerate(SPLITS) if (rows.split == code).any()]
    report: dict[str, Any] = {
        "rows": {name: int((rows.split == code).sum()) for code, name in present},
        "columns": {name: column.kind for name, column in rows.columns.items()},
        "empty": _empty(rows, findings),
        "duplicates": _duplicates(rows),
        "conflicts": _conflicts(rows, findings),
        "leakage": _leakage(rows, findings),
    }
    labels = rows.of("label", target=True) + rows.of("labels", target=True)
    if labels:
        report["labels"] = {name: _label_counts(rows.table[labels[0]], rows.split == code) for code, name in present}
    texts = rows.of("text", target=False)
    if texts:
        report["characters"] = {name: quantiles(rows.content.length[rows.split == code]) for code, name in present}
        joined = [text for name in texts for text in rows.table[name].to_pylist()]
        report["languages"] = [{"language": code, "share": share} for code, share in detect(joined)]
    images = rows.of("image", target=False)
    if images:
        report["images"] = {name: _images(rows, name, findings) for name in images}
    return report


def with_token_lengths(report: Mapping[str, Any], lengths: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The report with quantiles of tokens per row under ``tokens``; ``lengths`` holds split -> (rows,) tokens."""
    return {**report, "tokens": {split: quantiles(values) for split, values in lengths.items()}}


def quantiles(values: np.ndarray) -> dict[str, float]:
    """min, p5, median, mean, p95, p99, max; empty for no values."""
    if not len(values):
        return {}
    found = np.quantile(values, list(_QUANTILES.values()))
    return {
        **{name: float(value) for name, value in zip(_QUANTILES, found, strict=True)},
        "mean": round(float(values.mean()), 2),
    }


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
    """The same input with different targets."""
    content = rows.content
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


def _label_counts(column: pa.ChunkedArray, mask: np.ndarray) -> dict[str, int]:
    values = column.filter(pa.array(mask))
    if pa.types.is_list(values.type):
        values = pc.list_flatten(values)
    counts = {
        str(item["values"]): int(item["counts"])
        for item in pc.value_counts(values).to_pylist()
        if item["values"] is not None
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _images(rows: Rows, name: str, findings: Findings) -> dict[str, Any]:
    """Sizes, modes and formats from every header: what is no image is found here, before any model is loaded."""
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for value, source in zip(rows.table[name], rows.sources, strict=True):
        content = value.as_py()
        if content is None:
            continue
        try:
            (width, height), mode, kind = header(content, str(source))
        except DataError as error:
            findings.fault(str(error))
            continue
        sizes[f"{width}x{height}"] += 1
        modes[mode] += 1
        formats[kind] += 1
    return {
        "sizes": dict(sizes.most_common(EXAMPLES)),
        "distinct_sizes": len(sizes),
        "modes": dict(modes.most_common()),
        "formats": dict(formats.most_common()),
    }
