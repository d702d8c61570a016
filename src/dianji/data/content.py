"""What rows say, as numbers: which are alike, which carry the same targets, and an order that follows from both."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.columns import Column


@dataclass(frozen=True)
class Content:
    """Arrays with an entry per row."""

    #: The same number for the same input, case and white space aside.
    key: np.ndarray  # (rows,) int64
    #: The same number for the same targets.
    target: np.ndarray  # (rows,) int64
    #: Characters of all text columns together; 1 for rows without text columns.
    length: np.ndarray  # (rows,) int64
    #: Nothing but white space, or no image.
    empty: np.ndarray  # (rows,) bool
    #: A rank that follows from the exact content: rows with the same content have the same.
    order: np.ndarray  # (rows,) uint64

    def take(self, rows: np.ndarray) -> Content:
        """The same of some rows (positions or a mask)."""
        return Content(self.key[rows], self.target[rows], self.length[rows], self.empty[rows], self.order[rows])


def examine(table: pa.Table, columns: Mapping[str, Column]) -> Content:
    """The content of a table's task columns."""
    inputs = [name for name, column in columns.items() if not column.target and name in table.column_names]
    targets = [name for name, column in columns.items() if column.target and name in table.column_names]
    texts = [name for name in inputs if columns[name].kind == "text"]
    rows = table.num_rows
    exact = [_values(table, name, columns[name]) for name in inputs]
    goals = [_values(table, name, columns[name]) for name in targets]
    length = np.ones(rows, dtype=np.int64)
    empty = np.zeros(rows, dtype=bool)
    if texts:
        length = np.asarray(sum(_numbers(pc.utf8_length(table[name])) for name in texts), dtype=np.int64)
        filled = [_numbers(pc.utf8_length(pc.utf8_trim_whitespace(table[name]))) > 0 for name in texts]
        empty = ~np.all(filled, axis=0)
    for name in inputs:
        if columns[name].kind == "image":
            empty |= np.asarray(table[name].is_null().to_numpy(), dtype=bool)
    for name in targets:
        empty |= _without(table[name])
    return Content(
        key=codes(zip(*([_normal(value) for value in column] for column in exact), strict=True))
        if exact
        else np.arange(rows),
        target=codes(zip(*goals, strict=True)) if goals else np.zeros(rows, dtype=np.int64),
        length=length,
        empty=empty,
        order=_ranks([*exact, *goals], rows),
    )


def codes(values: Iterable[Hashable]) -> np.ndarray:
    """0, 1, … in the order of first appearance; the same number for equal values."""
    seen: dict[Hashable, int] = {}
    return np.fromiter((seen.setdefault(value, len(seen)) for value in values), dtype=np.int64)


def _values(table: pa.Table, name: str, column: Column) -> list[Any]:
    if column.kind == "image":  # a digest stands for the bytes: 60,000 images are not copied twice
        return [
            None if value is None else hashlib.blake2b(value, digest_size=16).digest() for value in _each(table[name])
        ]
    values: list[Any] = table[name].to_pylist()
    return [tuple(value or ()) for value in values] if column.kind == "labels" else values


def _each(column: pa.ChunkedArray) -> Iterable[bytes | None]:
    for batch in column.chunks:
        for value in batch:
            yield value.as_py()


def _normal(value: Any) -> Hashable:
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


def _ranks(columns: list[list[Any]], rows: int) -> np.ndarray:
    if not columns:
        return np.arange(rows, dtype=np.uint64)
    hashed = (
        hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for row in zip(*columns, strict=True)
    )
    return np.frombuffer(b"".join(hashed), dtype="<u8").astype(np.uint64)


def _without(column: pa.ChunkedArray) -> np.ndarray:
    """Rows whose target is missing; a list without labels is an answer, not a gap."""
    missing = pc.is_null(column)
    if not (pa.types.is_list(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        missing = pc.or_(missing, pc.fill_null(pc.equal(column, ""), True))
    return np.asarray(missing.to_numpy(), dtype=bool)


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(values.to_numpy(), dtype=np.int64)
