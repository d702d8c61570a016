"""Clean, the line's sixth step: rows are left out on request. Every removal has its reason and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import Content
from dianji.data.findings import plural
from dianji.data.line import Batch, Flow
from dianji.data.source import SPLIT
from dianji.errors import DataError, did_you_mean
from dianji.spec.data import Clean


def clean(flow: Flow) -> Flow:
    """Batches without the rows that the recipe leaves out; ``removed`` in the report counts them by reason.

    Raises:
        DataError: a label to drop does not occur, or no row is left; if rows are read as a whole.
    """
    removed: Counter[str] = Counter()
    cleaned = flow.map(lambda batch: _cleaned(batch, flow, removed))
    if not flow.request.chunks and not cleaned.whole.table.num_rows:
        told = ", ".join(plural(count, reason) for reason, count in removed.items() if count)
        raise DataError(f"{flow.request.section}: no row is left ({told}). Loosen clean or drop.")
    return replace(cleaned, report={**flow.report, "removed": removed})


def _cleaned(batch: Batch, flow: Flow, removed: Counter[str]) -> Batch:
    spec, wanted = flow.request.spec, flow.request.wanted
    named = next((name for name, column in wanted.items() if column.target and column.of.categories != "none"), None)
    if spec.drop and named is not None:
        mask = labelled(batch.table, named, wanted[named], spec.drop, flow.request.section)
        removed["dropped label"] += int(mask.sum())
        batch = batch.filter(~mask)
    kept = keep(batch.table, batch.content, spec.clean)
    for reason, count in kept.removed.items():
        removed[reason] += count
    return batch.filter(kept.rows)


@dataclass(frozen=True)
class Kept:
    """Which rows stay, and how many left for each reason."""

    rows: np.ndarray  # (rows,) bool
    removed: Mapping[str, int]


def keep(table: pa.Table, content: Content, clean: Clean) -> Kept:
    """Reasons are tried in the order empty, too short, too long, duplicate; a row counts for the first that fits.

    Of duplicates (same input, case and white space aside, and same targets) one stays: a given test or validation row
    before a training row, so that what is measured does not change; else the first.
    """
    rows = np.ones(table.num_rows, dtype=bool)
    removed: dict[str, int] = {}

    def leave_out(reason: str, mask: np.ndarray) -> None:
        removed[reason] = int((rows & mask).sum())
        np.logical_and(rows, ~mask, out=rows)

    if clean.drop_empty:
        leave_out("empty", content.empty)
    if clean.min_length is not None:
        leave_out("too short", content.length < clean.min_length)
    if clean.max_length is not None:
        leave_out("too long", content.length > clean.max_length)
    if clean.drop_duplicates:
        leave_out("duplicate", _repeated(table, content, rows))
    return Kept(rows, removed)


def labelled(table: pa.Table, name: str, column: Column, labels: Sequence[str], section: str) -> np.ndarray:
    """Mask of the rows that carry one of ``labels``.

    Raises:
        DataError: no row carries one of them: it is probably misspelt.
    """
    classes = [set(value) for value in column.of.classes(table[name]).to_pylist()]
    known = set().union(*classes)
    for label in labels:
        if label not in known:
            raise DataError(f"{section}.drop: no row has the label '{label}'. {did_you_mean(label, known)}")
    unwanted = set(labels)
    return np.array([bool(unwanted & carried) for carried in classes], dtype=bool)


def _repeated(table: pa.Table, content: Content, rows: np.ndarray) -> np.ndarray:
    first = np.zeros(len(rows), dtype=np.int64)
    if SPLIT in table.column_names:
        rank = {"test": 0, "validation": 1}
        first = np.array([rank.get(split, 2) for split in table[SPLIT].to_pylist()], dtype=np.int64)
    positions = np.flatnonzero(rows & ~content.empty)  # empty rows are another matter
    order = positions[np.lexsort((positions, first[positions]))]
    pair = content.key[order] * (content.target.max(initial=0) + 1) + content.target[order]
    kept = order[np.unique(pair, return_index=True)[1]]
    repeated = np.zeros(len(rows), dtype=bool)
    repeated[order] = True
    repeated[kept] = False
    return repeated
