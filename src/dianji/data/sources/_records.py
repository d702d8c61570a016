"""Records of plain values to a table. A column of mixed kinds is kept as JSON text and marked; its user objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dianji.data.source import with_sources

#: Field metadata of a column that holds several kinds of value; says where.
MIXED = b"dianji.mixed"


def table(records: Sequence[Mapping[str, Any]], sources: Sequence[str], names: Iterable[str] = ()) -> pa.Table:
    """One row for each record; a key that a record lacks is null. ``names`` are columns whether a record has them."""
    names = list(dict.fromkeys((*names, *(key for record in records for key in record))))
    fields, arrays = [], []
    for name in names:
        values = [record.get(name) for record in records]
        array, mixed = _array(values, sources)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata={MIXED: mixed} if mixed else None))
    if not names:
        return with_sources(pa.table({"column_1": pa.nulls(len(records))}), sources)
    return with_sources(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), sources)


def has_surrogates(value: object) -> bool:
    r"""Whether a text in a JSON value holds half a character, such as ``\ud800`` alone."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, Mapping):
        return any(has_surrogates(key) or has_surrogates(item) for key, item in value.items())
    return isinstance(value, list) and any(has_surrogates(item) for item in value)


def _array(values: list[Any], sources: Sequence[str]) -> tuple[pa.Array | pa.ChunkedArray, str]:
    kinds: dict[str, int] = {}
    for row, value in enumerate(values):
        if value is not None:
            kinds.setdefault(_kind(value), row)
    if set(kinds) - {"a whole number", "a fraction"} and len(kinds) > 1:
        return _as_text(values), " and ".join(f"{kind} ({sources[row]})" for kind, row in list(kinds.items())[:2])
    try:
        return pa.array(values), ""
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        return _as_text(values), f"values that do not fit together ({error})"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "text", int: "a whole number", float: "a fraction", list: "a list", dict: "an object", bytes: "bytes"}
    return kinds.get(type(value), type(value).__name__)


def _as_text(values: list[Any]) -> pa.Array:
    return pa.array(
        [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values], pa.string()
    )
