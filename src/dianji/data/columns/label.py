"""Label: the name of one class per row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._classes import class_names, few, is_number, lists_of, name_of, short, unnamed
from dianji.data.columns._indicators import indicated
from dianji.data.columns._lists import parsed, separator_of
from dianji.data.columns.base import Categories, Cells, ColumnKind, Sample, Vocabulary, as_mask, plain
from dianji.data.findings import Findings
from dianji.registry import component

_NUMBERS = 100  # different whole numbers; more are a measurement


@component("column", "label")
@dataclass(frozen=True)
class Label(ColumnKind):
    """A string, a whole number, or true and false; class numbers become text."""

    arrow: ClassVar[pa.DataType] = pa.string()
    categories: ClassVar[Categories] = "one"
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"label|category|class|intent|target|sentiment|topic|^y$|标签|类别|分类|意图|情感", re.IGNORECASE
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Text, whole numbers, true and false."""
        return bool(is_string(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Names without white space around them; a missing one is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if is_list(values.type):
            raise cells.wrong(
                "one label per row",
                "A task for several labels per row takes lists; this one takes a string or a whole number.",
            )
        names = class_names(_single(values, cells, findings), cells, findings)
        _warn_of_several(names, cells, findings)
        cells.missing(unnamed(names), "label", findings)
        return names

    def combine(self, parts: Sequence[Cells], findings: Findings) -> pa.ChunkedArray:
        """One-hot columns: the name of the column that holds 1; a row with none is missing, with several a fault."""
        rows = indicated(parts, findings)
        for row, names in enumerate(rows):
            if names is not None and len(names) > 1:
                findings.fault(
                    f"{parts[0].where(row)}: {', '.join(map(repr, names))} hold 1, where one label per row is "
                    "expected. Repair the row, or use a task for several labels."
                )
        names = pa.array([names[0] if names else None for names in rows], pa.string())
        parts[0].missing(names.is_null(), "label", findings)
        return pa.chunked_array([names])

    def is_empty(self, values: pa.ChunkedArray) -> np.ndarray:
        """No name."""
        return as_mask(unnamed(values))

    def classes(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Lists of one name."""
        return lists_of(values)

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """Two names in turn."""
        return pa.array([("one", "two")[row % 2] for row in range(count)], pa.string())

    def looks_like(self, sample: Sample) -> float:
        """Short values that come again and again, and are neither fractions nor dates."""
        if pa.types.is_boolean(sample.type):
            return 0.9
        if not self.accepts(sample.type) or not sample.values:
            return 0.0
        distinct = len(set(sample.values))
        if not few(distinct, len(sample.values)) or not short(sample.values):
            return 0.0
        if all(str(value).strip().lstrip("-").isdecimal() for value in sample.values):
            return 0.65 if distinct <= _NUMBERS else 0.0
        return 0.0 if all(is_number(str(value)) for value in sample.values) else 0.7


def _single(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    """Texts that are lists of one name, such as ``['a']``, as that name; a list of several is a fault."""
    if not is_string(values.type):
        return values
    found = {text: items for text in pc.unique(values).to_pylist() if text and (items := parsed(text)) is not None}
    if not found:
        return values
    names = values.to_pylist()
    for row, text in enumerate(names):
        items = found.get(text)
        if items is not None and len(items) == 1:
            names[row] = name_of(items[0])
        elif items is not None:
            findings.fault(
                f"{cells.where(row)}: column '{cells.name}' holds a list of {len(items)} ({text[:60]!r}) where one "
                "label per row is expected. A task for several labels per row takes lists; this one takes one."
            )
    if any(len(items) == 1 for items in found.values()):
        findings.warn(
            f"column '{cells.name}': cells such as {next(iter(found))[:60]!r} were read as lists of one label"
        )
    return pa.chunked_array([pa.array(names, pa.string())])


def _warn_of_several(names: pa.ChunkedArray, cells: Cells, findings: Findings) -> None:
    """Labels such as ``a|b`` beside ``a`` are one label each here."""
    distinct = {name for name in pc.unique(names).to_pylist() if name}
    joined = [name for name in sorted(distinct) if "|" in name and set(name.split("|")) & distinct]
    separator, held = (None, "") if joined else separator_of(distinct)
    if joined or separator is not None:
        findings.warn(
            f"column '{cells.name}': cells such as '{(joined or [held])[0][:60]}' may hold several labels and were "
            "read as one. A task for several labels per row divides them at |"
        )
