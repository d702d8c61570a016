"""How a JSON document may hold rows: lists, lists by split, and the layouts of pandas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dianji.data.columns.base import column_kind
from dianji.data.files import split_named
from dianji.data.findings import Findings, plural
from dianji.data.source import Place
from dianji.errors import DataError, did_you_mean

#: As a key: all lists that are named after splits.
ALL_SPLITS = "*"


@dataclass(frozen=True)
class Item:
    """One row: where it stands, its value, its text, and its split where that is said."""

    where: str
    value: Any
    raw: str
    split: str | None = None


def items_of(value: Any, field: str | None, place: Place, findings: Findings) -> list[Item]:
    """The rows of a document that is no list.

    Raises:
        DataError: no layout fits, or the key of the list is not there.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{place.name} holds {type(value).__name__} where a list of objects is expected.")
    lists = {key: item for key, item in value.items() if isinstance(item, list)}
    if field == ALL_SPLITS or (field is None and _are_splits(lists)):
        return _divided(lists, place, findings)
    if field is not None:
        if field not in lists:
            raise DataError(f"{place.name}: no list under '{field}'. {did_you_mean(field, lists)}")
        return _numbered(lists[field], place)
    found = _of_pandas(value, lists, place)
    if found is not None:
        return found
    if len(lists) == 1:
        return _numbered(next(iter(lists.values())), place)
    if value and not any(isinstance(item, list | Mapping) for item in value.values()):
        return _numbered([dict(value)], place)  # a row alone
    splits = (
        f" To read all splits write options: {{field: '{ALL_SPLITS}'}}." if "train" in map(split_named, lists) else ""
    )
    raise DataError(
        f"{place.name}: rows are a list of objects; which one is meant? Name its key as options: {{field: …}}.{splits} "
        f"{did_you_mean('', lists)}"
    )


def named(items: Sequence[Item], place: Place, findings: Findings) -> list[Item]:
    """Rows that are lists as objects: text and label where the label's side can be told, else numbered columns.

    Raises:
        DataError: lists are of different lengths.
    """
    if not items or not all(isinstance(item.value, list) for item in items):
        return list(items)
    widths = {len(item.value) for item in items}
    if len(widths) != 1 or not min(widths):
        raise DataError(
            f"{place.name}: rows are lists of {', '.join(map(str, sorted(widths)))} values, where objects or lists of "
            "one length are expected."
        )
    first, rest = items[0], list(items)
    header = all(isinstance(cell, str) for cell in first.value) and any(_is_usual(cell) for cell in first.value)
    if header:
        names, rest = [str(cell) for cell in first.value], rest[1:]
    else:
        names = _names([item.value for item in items])
        findings.warn(f"{place.name}: rows are lists without names; their columns are called {', '.join(names)}")
    return [replace(item, value=dict(zip(names, item.value, strict=True))) for item in rest]


def _are_splits(lists: Mapping[str, list[Any]]) -> bool:
    """Whether every list is a split of its own, and one of them trains."""
    splits = [None if _is_kind(key) else split_named(key) for key in lists]
    return "train" in splits and None not in splits and len(set(splits)) == len(splits) > 1


def _numbered(rows: Sequence[Any], place: Place, name: str = "", split: str | None = None) -> list[Item]:
    of = f"{name} " if name else ""
    return [
        Item(f"{place.name}, {of}row {number}", value, json.dumps(value), split)
        for number, value in enumerate(rows, start=1)
    ]


def _divided(lists: Mapping[str, list[Any]], place: Place, findings: Findings) -> list[Item]:
    """Lists that are named after splits; others are left out and said.

    Raises:
        DataError: there is none to train on.
    """
    splits = {key: None if _is_kind(key) else split_named(key) for key in lists}
    if "train" not in splits.values():
        raise DataError(f"{place.name}: no list is named after the split train. {did_you_mean('train', lists)}")
    items: list[Item] = []
    for key, rows in lists.items():
        if splits[key] is None:
            findings.warn(f"{place.name}: '{key}' ({plural(len(rows), 'row')}) is no split and was left out")
        else:
            items += _numbered(rows, place, key, splits[key])
    return items


def _is_kind(key: str) -> bool:
    """``oos_train`` is training data of another kind than ``train``."""
    return len([word for word in re.split(r"[^A-Za-z]+", key) if word]) > 1


def _of_pandas(value: Mapping[str, Any], lists: Mapping[str, list[Any]], place: Place) -> list[Item] | None:
    """``DataFrame.to_json`` in its layouts ``split``, ``columns``, ``index``, and ``to_dict("list")``."""
    if {"columns", "data"} <= set(lists) and all(isinstance(row, list) for row in lists["data"]):
        names = [str(name) for name in lists["columns"]]
        return _numbered([_row(names, row, place) for row in lists["data"]], place)
    if len(lists) > 1 and len(lists) == len(value) and len({len(column) for column in lists.values()}) == 1:
        columns = list(lists.values())
        if not any(isinstance(cell, Mapping) for column in columns for cell in column):
            return _numbered([dict(zip(lists, row, strict=True)) for row in zip(*columns, strict=True)], place)
    if value and all(isinstance(item, Mapping) for item in value.values()):
        return _of_objects(value, place)
    return None


def _row(names: Sequence[str], row: Sequence[Any], place: Place) -> dict[str, Any]:
    if len(row) != len(names):
        raise DataError(f"{place.name}: a row of {len(row)} values, where {len(names)} columns are named.")
    return dict(zip(names, row, strict=True))


def _of_objects(value: Mapping[str, Mapping[str, Any]], place: Place) -> list[Item] | None:
    """Objects of columns or of rows: rows are those that are numbered, else those of which there are more."""
    inner = {key: None for item in value.values() for key in item}
    cells = [cell for item in value.values() for cell in item.values()]
    if not inner or any(isinstance(cell, Mapping) for cell in cells):
        return None
    outer_rows, inner_rows = (all(str(key).isdecimal() for key in keys) for keys in (value, inner))
    if outer_rows == inner_rows:
        outer_rows = len(value) > len(inner)
    if outer_rows:
        return [Item(f"{place.name}, row {key}", dict(item), json.dumps(item)) for key, item in value.items()]
    records = {key: {name: column.get(key) for name, column in value.items()} for key in inner}
    return [Item(f"{place.name}, row {key}", record, json.dumps(record)) for key, record in records.items()]


def _names(rows: Sequence[Sequence[Any]]) -> list[str]:
    """``text`` and ``label`` for two texts of which one side repeats; numbered columns for anything else."""
    width = len(rows[0])
    numbered = [f"column_{number}" for number in range(1, width + 1)]
    if width != 2 or not all(isinstance(cell, str) for row in rows for cell in row):
        return numbered
    distinct = [len({row[side] for row in rows}) for side in (0, 1)]
    if 2 * min(distinct) > len(rows) or distinct[0] == distinct[1]:
        return numbered
    return ["label", "text"] if distinct[0] < distinct[1] else ["text", "label"]


def _is_usual(cell: str) -> bool:
    return any(column_kind(kind).telling.fullmatch(cell) for kind in ("text", "label"))
