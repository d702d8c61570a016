"""Labels: learnt from the training split, encoded as class numbers, one per row or several."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.errors import DataError, did_you_mean
from dianji.tasks._rows import refuse_empty, refuse_null, where

#: Joins several labels in one cell.
SEPARATOR = "|"


def learn_one(table: pa.Table) -> tuple[str, ...]:
    """The labels of a training split with one label per row, sorted (numbers by their value).

    Raises:
        DataError: no rows, a row without label, or one class only.
    """
    refuse_empty(table)
    labels = _sorted(_names(table).unique().to_pylist())
    if len(labels) < 2:
        raise DataError(
            f"column 'label' has one class only, '{labels[0]}', in all {table.num_rows} rows of the training split; "
            "expected at least two. Check the column, the split and data.<name>.limit."
        )
    return labels


def learn_several(table: pa.Table) -> tuple[str, ...]:
    """The labels of a training split with any number of labels per row, sorted.

    Raises:
        DataError: no rows, or no row has a label.
    """
    refuse_empty(table)
    labels = _sorted({label for row in _lists(table) for label in row})
    if not labels:
        raise DataError(
            "column 'labels' has no label in any row of the training split; expected at least one. Check the column."
        )
    return labels


def encode_one(table: pa.Table, labels: tuple[str, ...]) -> np.ndarray:
    """(rows,) int64 class numbers.

    Raises:
        DataError: a label is missing or not among ``labels``.
    """
    names = _names(table)
    numbers = pc.index_in(names, value_set=pa.array(labels, pa.string()))
    if numbers.null_count:
        row = pc.index(pc.is_null(numbers), True).as_py()
        raise _unknown(table, row, names[row].as_py(), labels)
    found: np.ndarray = numbers.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def encode_several(table: pa.Table, labels: tuple[str, ...]) -> list[list[int]]:
    """The class numbers of each row.

    Raises:
        DataError: a label is not among ``labels``.
    """
    number = {label: index for index, label in enumerate(labels)}
    rows = []
    for row, names in enumerate(_lists(table)):
        for name in names:
            if name not in number:
                raise _unknown(table, row, name, labels)
        rows.append(sorted({number[name] for name in names}))
    return rows


def indicators(numbers: pa.Array | pa.ChunkedArray, count: int) -> np.ndarray:
    """Lists of class numbers as (rows, count) bool."""
    array = numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers
    lengths = np.diff(array.offsets.to_numpy())
    grid = np.zeros((len(lengths), count), dtype=bool)
    grid[np.repeat(np.arange(len(lengths)), lengths), array.flatten().to_numpy()] = True
    return grid


def _names(table: pa.Table) -> pa.Array:
    """The ``label`` column as text: a label may be a whole number."""
    refuse_null(table, "label", "a label in every row")
    column = table["label"].combine_chunks()
    return column.cast(pa.string())


def _lists(table: pa.Table) -> list[list[str]]:
    """The ``labels`` column; a null is a row without labels."""
    return [_split(value) for value in table["labels"].to_pylist()]


def _split(value: object) -> list[str]:
    if value is None:
        return []
    parts = value.split(SEPARATOR) if isinstance(value, str) else value if isinstance(value, list) else [value]
    return [name for part in parts if (name := str(part).strip())]


def _sorted(labels: set[str] | list[str]) -> tuple[str, ...]:
    numeric = all(label.lstrip("-").isdecimal() for label in labels)
    return tuple(sorted(labels, key=int) if numeric else sorted(labels))


def _unknown(table: pa.Table, row: int, label: str, labels: tuple[str, ...]) -> DataError:
    return DataError(
        f"{where(table, row)}: label '{label}' is not among the {len(labels)} labels of the training split. "
        f"{did_you_mean(label, labels)} Fix the row, or list the label under data.<name>.drop."
    )


def entropy(counts: np.ndarray) -> float:
    """Of the shares that counts make, in nats."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log(shares)).sum())
