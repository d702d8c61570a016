"""Labels: the names of any number of classes per row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._classes import few, name_of, short
from dianji.data.columns._indicators import indicated
from dianji.data.columns._lists import lists_of_names, means_list, separator_of
from dianji.data.columns.base import Categories, Cells, ColumnKind, Sample, Vocabulary, digests, plain
from dianji.data.findings import Findings
from dianji.registry import component


@component("column", "labels")
@dataclass(frozen=True)
class Labels(ColumnKind):
    """A list of names, names joined by ``|``, or indicators; an empty list is a valid value."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.string())
    categories: ClassVar[Categories] = "several"
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"labels|categories|classes|tags|topics|genres|标签|类别", re.IGNORECASE
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists, objects of indicators, and whatever a label may be."""
        return bool(
            is_list(type_)
            or pa.types.is_struct(type_)
            or is_string(type_)
            or pa.types.is_integer(type_)
            or pa.types.is_boolean(type_)
        )

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of names, each name once per row; a missing list is a fault.

        Raises:
            DataError: the column holds something else.
        """
        rows = lists_of_names(plain(cells.values), cells, findings)
        cells.missing(pa.array([row is None for row in rows], pa.bool_()), "list of labels", findings)
        return pa.chunked_array(
            [pa.array([_names(row, at, cells, findings) for at, row in enumerate(rows)], self.arrow)]
        )

    def combine(self, parts: Sequence[Cells], findings: Findings) -> pa.ChunkedArray:
        """One-hot columns: the names of those that hold 1."""
        return pa.chunked_array([pa.array(indicated(parts, findings), self.arrow)])

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """Of the set of names: their order means nothing."""
        return digests(repr(sorted(value or ())).encode() for value in values.to_pylist())

    def classes(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The values themselves."""
        return values

    def show(self, value: Any) -> str:
        """Joined by ``|``."""
        return "|".join(value or ())

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """None, one or two names."""
        return pa.array([["one", "two"][: row % 3] for row in range(count)], self.arrow)

    def looks_like(self, sample: Sample) -> float:
        """Lists of short names, as such or in text; or short texts of joined names that come again and again."""
        if is_list(sample.type):
            parts = [part for value in sample.values for part in value]
            names = bool(parts) and all(isinstance(part, str | int) for part in parts)
            return 0.8 if names and short(parts) else 0.0
        if not is_string(sample.type) or not sample.values or not short(sample.values):
            return 0.0
        if all(means_list(value) for value in sample.values):
            return 0.8
        joined = any("|" in value for value in sample.values) or separator_of(sample.values)[0] is not None
        return 0.8 if joined and few(len(set(sample.values)), len(sample.values)) else 0.0


def _names(row: list[Any] | None, at: int, cells: Cells, findings: Findings) -> list[str] | None:
    """Names, each once; empty ones are left out, and items that are no name are faults."""
    if row is None:
        return None
    names: dict[str, None] = {}
    for item in row:
        name = name_of(item)
        if name is None:
            findings.fault(
                f"{cells.where(at)}: column '{cells.name}' holds a list with {item!r:.60} in it, which names no label."
            )
        elif name:
            names[name] = None
    return list(names)
