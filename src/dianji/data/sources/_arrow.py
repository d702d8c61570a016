"""What Arrow tables from Hugging Face say about themselves: class numbers that stand for names."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def with_label_names(table: pa.Table) -> pa.Table:
    """Columns that the schema's ``huggingface`` metadata calls ``ClassLabel`` hold names instead of numbers."""
    for name, feature in _features(table).items():
        if (
            name in table.column_names
            and isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and feature.get("names")
        ):
            place = table.column_names.index(name)
            table = table.set_column(place, name, _names(table[name], feature["names"]))
    return table.replace_schema_metadata(None)


def _features(table: pa.Table) -> dict[str, Any]:
    raw = (table.schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    features = json.loads(raw).get("info", {}).get("features")
    return features if isinstance(features, dict) else {}


def _names(column: pa.ChunkedArray, names: list[str]) -> pa.ChunkedArray:
    if not pa.types.is_integer(column.type):
        return column
    # -1 stands for a missing label in hidden test sets.
    known = pc.if_else(pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names))), column, None)
    return pc.take(pa.array(names, pa.string()), known)
