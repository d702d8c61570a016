"""What an undescribed column seems to hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_image, is_list, is_string
from dianji.data.images import header
from dianji.data.report import quantiles
from dianji.data.sources.images import SUFFIXES
from dianji.data.times import moment
from dianji.errors import DataError

Seen = Literal["text", "label", "labels", "image", "number", "date", "id", "other"]

#: Rows that are looked at; labels are counted over all rows.
_SAMPLE = 5000
_IMAGES = 1000
_SHOWN = 3
_SHORT = 40  # characters; longer values are no names


@dataclass(frozen=True)
class Inspected:
    """One column."""

    name: str
    kind: Seen
    missing: int
    distinct: int
    examples: tuple[str, ...]
    #: Whether values come more than once.
    repeated: bool = False
    #: Of labels: value -> rows, the commonest first.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Of texts: quantiles of their length.
    characters: Mapping[str, float] = field(default_factory=dict)
    #: Of images: "28x28" -> how many of those looked at.
    sizes: Mapping[str, int] = field(default_factory=dict)


def inspected(column: pa.ChunkedArray, name: str) -> Inspected:
    """The column's kind with what belongs to it."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_image(column.type):
        return _image(column, name)
    values = [value for value in column.to_pylist() if value is not None and value != ""]
    sample = values[:: max(1, len(values) // _SAMPLE)]
    kind = _kind(sample, column.type)
    names = [label for value in values for label in _parts(value, kind)]
    counts = Counter(names)
    return Inspected(
        name=name,
        kind=kind,
        missing=len(column) - len(values),
        distinct=len(counts),
        examples=tuple(_short(str(value)) for value in list(dict.fromkeys(names))[:_SHOWN]),
        repeated=0 < len(counts) < len(names),
        counts=dict(counts.most_common()) if kind in ("label", "labels") else {},
        characters=quantiles(np.array([len(value) for value in names])) if kind == "text" else {},
    )


def _image(column: pa.ChunkedArray, name: str) -> Inspected:
    sizes: Counter[str] = Counter()
    for value in column.slice(0, _IMAGES).to_pylist():
        content = value.get("bytes") if isinstance(value, dict) else value
        if content:
            try:
                (width, height), _, _ = header(content, name)
            except DataError:
                sizes["unreadable"] += 1
            else:
                sizes[f"{width}x{height}"] += 1
    return Inspected(
        name, "image", column.null_count, len(column) - column.null_count, (), sizes=dict(sizes.most_common(10))
    )


def _kind(values: Sequence[Any], kind: pa.DataType) -> Seen:
    if is_list(kind):
        parts = [part for value in values for part in value]
        return (
            "labels"
            if parts and all(isinstance(part, str | int) and len(str(part)) <= _SHORT for part in parts)
            else "other"
        )
    if pa.types.is_temporal(kind):
        return "date"
    if pa.types.is_boolean(kind):
        return "label"
    if pa.types.is_integer(kind):
        return _numeric(values)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    return _written(values) if is_string(kind) and values else "other"


def _written(values: Sequence[str]) -> Seen:
    """What texts are, if not prose."""
    if all(PurePath(value).suffix.lower() in SUFFIXES for value in values):
        return "image"
    if all(value.strip().lstrip("-").isdecimal() for value in values):
        return _numeric(values)
    if all(_is_number(value) for value in values):
        return "number"
    if all(moment(value) is not None for value in values):
        return "date"
    distinct = len(set(values))
    short = np.mean([len(value) for value in values]) <= _SHORT
    if short and _few(distinct, len(values)):
        return "labels" if any("|" in value for value in values) else "label"
    if short and all(" " not in value.strip() and any(sign.isdecimal() for sign in value) for value in values):
        return "id"
    return "text"


def _numeric(values: Sequence[Any]) -> Seen:
    """Few whole numbers are labels, ones that never repeat are ids."""
    distinct = len(set(values))
    if distinct == len(values) and distinct > 2:
        return "id"
    return "label" if _few(distinct, len(values)) and distinct <= 100 else "number"


def _few(distinct: int, count: int) -> bool:
    """Whether values come again and again."""
    return 2 * distinct <= count and distinct <= max(2, count // 5)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _parts(value: Any, kind: Seen) -> list[str]:
    if kind == "labels":
        return [str(part) for part in (value.split("|") if isinstance(value, str) else value)]
    return [str(value)]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
