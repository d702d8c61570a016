"""What an undescribed column seems to hold: every registered column kind says how well it describes the values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_string
from dianji.data.columns import Cells, ColumnKind
from dianji.data.columns._lists import indicator
from dianji.data.columns.base import Sample, column_kind, plain
from dianji.data.findings import Findings
from dianji.data.quantiles import quantiles
from dianji.errors import DataError
from dianji.registry import REGISTRY

#: What a column holds whose values no kind describes.
OTHER = "other"

#: Values by which kinds recognise a column; classes are counted over all rows.
_SAMPLE = 5000
#: Values that a kind describes.
_DESCRIBED = 1000
_SHOWN = 3


@dataclass(frozen=True)
class Inspected:
    """One column."""

    name: str
    #: The column kind that describes it best; ``other`` if none does.
    kind: str
    missing: int
    distinct: int
    examples: tuple[str, ...]
    #: Kind -> how well it describes the values, in (0, 1]; kinds that do not are left out.
    scores: Mapping[str, float] = field(default_factory=dict)
    #: Share of the rows whose value comes more than once.
    repeated: float = 0.0
    #: Of values that name classes: name -> rows, the commonest first.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Of texts: quantiles of their length.
    characters: Mapping[str, float] = field(default_factory=dict)
    #: Names of the data's columns that together are this one, if several columns are.
    parts: tuple[str, ...] = ()
    #: What the kind tells of the first values, such as the sizes of images.
    values: Mapping[str, Any] = field(default_factory=dict)


def inspected(column: pa.ChunkedArray, name: str) -> Inspected:
    """The column's kind with what belongs to it."""
    column = plain(column)
    filled = [row for row, value in enumerate(_shown(column)) if value is not None]
    some = filled[:: max(1, len(filled) // _SAMPLE)]
    values = column.take(pa.array(some, pa.int64())).to_pylist() if len(some) else []
    scores = _scores(Sample(name, column.type, values))
    kind = max(scores, key=lambda of: scores[of]) if scores else OTHER
    return described(column, name, kind, scores)


def described(column: pa.ChunkedArray, name: str, kind: str, scores: Mapping[str, float]) -> Inspected:
    """The column as one of a kind."""
    column = plain(column)
    of = column_kind(kind) if kind != OTHER else None
    shown = [value for value in _shown(column) if value is not None]
    names = _classes(column, of) if of is not None and of.categories != "none" else shown
    counts = Counter(names)
    again = sum(count for count in counts.values() if count > 1)
    texts = _texts(column, of) if of is not None else None
    return Inspected(
        name=name,
        kind=kind,
        missing=_missing(column, shown, of),
        distinct=len(counts),
        examples=tuple(_short(value) for value in list(counts)[:_SHOWN]) if of is None or of.readable else (),
        scores=dict(scores),
        repeated=again / len(names) if names else 0.0,
        counts=dict(counts.most_common()) if of is not None and of.categories != "none" else {},
        characters=quantiles(np.array([len(text) for text in texts if text])) if texts is not None else {},
        values=_described(column, name, of) if of is not None else {},
    )


def indicating(columns: Sequence[Inspected], table: pa.Table) -> Inspected | None:
    """Columns of zeros and ones as one column of labels; None where there are not at least two that vary."""
    parts = tuple(column.name for column in columns if _indicates(table[column.name]))
    if len(parts) < 2:
        return None
    rows = list(zip(*([bool(indicator(value)) for value in table[name].to_pylist()] for name in parts), strict=True))
    names = [[name for name, flag in zip(parts, row, strict=True) if flag] for row in rows]
    kind = "label" if all(len(row) == 1 for row in names) else "labels"
    values = pa.array([row[0] for row in names] if kind == "label" else names)
    joined = described(pa.chunked_array([values]), ", ".join(parts), kind, {kind: 0.5})
    return replace(joined, parts=parts)


def _indicates(column: pa.ChunkedArray) -> bool:
    """Whether every value is 0 or 1, and both occur."""
    found = [indicator(value) for value in pc.unique(plain(column)).to_pylist()] if _is_plain(column.type) else []
    return None not in found and set(found) == {True, False}


def _is_plain(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_floating(type_) or is_string(type_)
    )


def _missing(column: pa.ChunkedArray, shown: Sequence[Any], of: ColumnKind | None) -> int:
    """Rows without a value, as the kind sees it where values name classes."""
    converted = _converted(column, of) if of is not None and of.categories != "none" else None
    return len(column) - len(shown) if converted is None or of is None else int(of.is_empty(converted).sum())


def _scores(sample: Sample) -> dict[str, float]:
    found = {name: column_kind(name).looks_like(sample) for name in REGISTRY.names("column")}
    return {name: score for name, score in found.items() if score > 0}


def _shown(column: pa.ChunkedArray) -> list[Any]:
    """A hashable value per row; None for null, NaN and blank text."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if not value.is_valid else row for row, value in enumerate(column)]  # bytes are not compared
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        return [row if value.is_valid else None for row, value in enumerate(column)]
    texts = [None if value is None or value != value else str(value) for value in column.to_pylist()]
    return [text if text and text.strip() else None for text in texts]


def _converted(column: pa.ChunkedArray, of: ColumnKind) -> pa.ChunkedArray | None:
    """The column as its kind reads it; None where it cannot be read so, which ``check`` reports."""
    cells = Cells(column, "", [""] * len(column), drops_empty=True)
    try:
        converted = of.convert(cells, Findings())
    except DataError:
        return None
    return pa.chunked_array([converted]) if isinstance(converted, pa.Array) else converted


def _classes(column: pa.ChunkedArray, of: ColumnKind) -> list[str]:
    converted = _converted(column, of)
    return [] if converted is None else [name for row in of.classes(converted).to_pylist() for name in row if name]


def _texts(column: pa.ChunkedArray, of: ColumnKind) -> list[str] | None:
    converted = _converted(column, of) if of.modality else None
    return None if converted is None else of.texts(converted)


def _described(column: pa.ChunkedArray, name: str, of: ColumnKind) -> Mapping[str, Any]:
    if of.names_files and not _holds_bytes(column.type):
        return {}  # paths are relative to a file that is not known here
    converted = _converted(column.slice(0, _DESCRIBED), of)
    if converted is None:
        return {}
    return of.check(Cells(converted, name, [""] * len(converted)), Findings())


def _holds_bytes(type_: pa.DataType) -> bool:
    binary = pa.types.is_binary(type_) or pa.types.is_large_binary(type_)
    return bool(binary or (pa.types.is_struct(type_) and type_.get_field_index("bytes") >= 0))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
