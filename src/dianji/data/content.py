"""What rows say, as numbers: which are alike, which carry the same targets, and an order that follows from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column


@dataclass(frozen=True)
class Content:
    """Arrays with an entry per row."""

    #: The same number for the same input, in every input column, as the column kinds see it (text: case aside).
    key: np.ndarray  # (rows,) int64 from 0
    #: The same number for the same targets.
    target: np.ndarray  # (rows,) int64 from 0
    #: Characters of all input columns together; 1 for rows whose inputs have no length.
    length: np.ndarray  # (rows,) int64
    #: An input or a target without a value.
    empty: np.ndarray  # (rows,) bool
    #: A rank that follows from the exact content: rows with the same content have the same.
    order: np.ndarray  # (rows,) uint64
    #: ``key`` as a hash, which is the same in every batch and every file.
    hash: np.ndarray  # (rows,) uint64

    def take(self, rows: np.ndarray) -> Content:
        """The same of some rows (positions or a mask)."""
        return Content(*(getattr(self, field.name)[rows] for field in fields(self)))


NO_CONTENT = Content(*(np.zeros(0, dtype=kind) for kind in (np.int64, np.int64, np.int64, bool, np.uint64, np.uint64)))


def examine(table: pa.Table, columns: Mapping[str, Column]) -> Content:
    """The content of a table's task columns."""
    rows = table.num_rows
    held = {name: column for name, column in columns.items() if name in table.column_names}
    inputs = [name for name, column in held.items() if not column.target]
    targets = [name for name, column in held.items() if column.target]
    hashes = {name: column.of.hash(table[name]) for name, column in held.items()}
    empty = np.zeros(rows, dtype=bool)
    for name, column in held.items():
        if not column.optional:
            empty |= column.of.is_empty(table[name])
    same = mixed([held[name].of.key(table[name]) for name in inputs], rows)
    return Content(
        key=codes(same) if inputs else np.arange(rows),
        target=codes(mixed([hashes[name] for name in targets], rows)),
        length=_length(table, {name: held[name] for name in inputs}),
        empty=empty,
        order=mixed([hashes[name] for name in (*inputs, *targets)], rows) if held else np.arange(rows, dtype=np.uint64),
        hash=same,
    )


def codes(values: np.ndarray) -> np.ndarray:
    """0, 1, … in the order of first appearance; the same number for equal values."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def mixed(hashes: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """(rows,) uint64 that depends on every hash and on its place (the finaliser of SplitMix64 after each)."""
    found = np.zeros(rows, dtype=np.uint64)
    for values in hashes:
        found = found * np.uint64(0x9E3779B97F4A7C15) + values
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found ^= found >> np.uint64(31)
    return found


def _length(table: pa.Table, inputs: Mapping[str, Column]) -> np.ndarray:
    lengths = [column.of.length(table[name]) for name, column in inputs.items()]
    known = [length for length in lengths if length is not None]
    return np.asarray(np.sum(known, axis=0)) if known else np.ones(table.num_rows, dtype=np.int64)
