"""Rows to leave out on request. Every removal has its reason and is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.content import Content
from dianji.data.source import SPLIT
from dianji.errors import DataError, did_you_mean
from dianji.spec.sections import Clean


@dataclass(frozen=True)
class Kept:
    """Which rows stay, and how many left for each reason."""

    rows: np.ndarray  # (rows,) bool
    removed: dict[str, int]


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


def labelled(table: pa.Table, column: str, labels: Sequence[str], section: str) -> np.ndarray:
    """Mask of the rows that carry one of ``labels``.

    Raises:
        DataError: no row carries one of them: it is probably misspelt.
    """
    values = table[column]
    several = pa.types.is_list(values.type)
    known = {str(value) for value in pc.unique(pc.list_flatten(values) if several else values).to_pylist() if value}
    for label in labels:
        if label not in known:
            raise DataError(f"{section}.drop: no row has the label '{label}'. {did_you_mean(label, known)}")
    if several:
        unwanted = set(labels)
        return np.array([bool(unwanted.intersection(value or ())) for value in values.to_pylist()], dtype=bool)
    return np.asarray(pc.fill_null(pc.is_in(values, pa.array(labels, values.type)), False).to_numpy(), dtype=bool)


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
