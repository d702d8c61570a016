"""What Arrow tables from Hugging Face say about themselves: class numbers that stand for names, however deep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_list
from dianji.errors import DataError


def with_label_names(table: pa.Table, place: str) -> pa.Table:
    """Class numbers as names, wherever the schema's ``huggingface`` metadata says ``ClassLabel``.

    Raises:
        DataError: a number has no name.
    """
    for name, feature in _features(table).items():
        if name in table.column_names:
            found = _named(table[name].combine_chunks(), feature, f"{place}: column '{name}'")
            if found is not None:
                table = table.set_column(table.column_names.index(name), name, found)
    return table.replace_schema_metadata(None)


def _features(table: pa.Table) -> dict[str, Any]:
    raw = (table.schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    features = json.loads(raw).get("info", {}).get("features")
    return features if isinstance(features, dict) else {}


def _named(array: pa.Array | pa.ChunkedArray, feature: Any, where: str) -> pa.Array | None:
    """The array with names; None where nothing in it is a class number."""
    if isinstance(array, pa.ChunkedArray):  # an empty column
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(feature, list) and len(feature) == 1:  # how older versions write a list
        feature = {"_type": "List", "feature": feature[0]}
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel":
        return _names(array, feature.get("names") or [], where)
    if pa.types.is_struct(array.type):  # of a sequence of objects Arrow holds an object of lists
        of = feature.get("feature", feature)
        return _of_objects(array, of, where, listed="feature" in feature) if isinstance(of, Mapping) else None
    if is_list(array.type) and "feature" in feature:
        return _of_lists(array, feature["feature"], where)
    return None


def _of_lists(array: pa.Array, feature: Any, where: str) -> pa.Array | None:
    items = _named(array.flatten(), feature, where)
    if items is None:
        return None
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast(pa.int64()))])
    lists = pa.LargeListArray.from_arrays(ends, items).cast(pa.list_(items.type))
    return pc.if_else(array.is_valid(), lists, pa.scalar(None, lists.type))


def _of_objects(array: pa.Array, features: Mapping[str, Any], where: str, *, listed: bool) -> pa.Array | None:
    names = [field.name for field in array.type]
    parts = {name: pc.struct_field(array, name) for name in names}
    changed = False
    for name in names:
        feature = features.get(name)
        found = _named(parts[name], {"_type": "List", "feature": feature} if listed else feature, where)
        if found is not None:
            parts[name], changed = found, True
    if not changed:
        return None
    return pa.StructArray.from_arrays(list(parts.values()), names, mask=array.is_null())


def _names(array: pa.Array, names: list[str], where: str) -> pa.Array | None:
    if not pa.types.is_integer(array.type) or not names:
        return None
    # -1 stands for a missing label in hidden test sets.
    wrong = pc.and_(pc.not_equal(array, -1), pc.or_(pc.less(array, 0), pc.greater_equal(array, len(names))))
    if pc.any(wrong).as_py():
        number = array.filter(pc.fill_null(wrong, False))[0]
        raise DataError(
            f"{where} holds the class number {number}, and its metadata names {len(names)} classes (0 to "
            f"{len(names) - 1}). Write the file again from its source."
        )
    return pc.take(pa.array(names, pa.string()), pc.if_else(pc.equal(array, -1), None, array))
