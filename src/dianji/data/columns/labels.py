"""Labels: the names of any number of classes per row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._classes import class_names, few, regroup, short
from dianji.data.columns._strings import list_lengths
from dianji.data.columns.base import Categories, Cells, ColumnKind, Sample, Vocabulary, as_mask, digests, plain
from dianji.data.findings import Findings
from dianji.registry import component


@component("column", "labels")
@dataclass(frozen=True)
class Labels(ColumnKind):
    """A list of names, or names joined by ``|``; an empty list is a valid value."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.string())
    categories: ClassVar[Categories] = "several"
    telling: ClassVar[re.Pattern[str]] = re.compile(
        r"labels|categories|classes|tags|topics|genres|标签|类别", re.IGNORECASE
    )

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists, and whatever a label may be."""
        return bool(is_list(type_) or is_string(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Lists of names, each name once per row; a missing list is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if not is_list(values.type):
            names = class_names(values, cells)
            values = pc.split_pattern(names, "|") if len(names) else pa.chunked_array([], self.arrow)
        cells.missing(pc.is_null(values), "list of labels", findings)
        flat = class_names(plain(pc.list_flatten(values)), cells)
        owner = np.repeat(np.arange(len(values)), list_lengths(values))
        return regroup(flat.to_pylist(), owner, ~as_mask(pc.is_null(values)))

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
        """Lists of short names; or short texts with ``|`` that come again and again."""
        if is_list(sample.type):
            parts = [part for value in sample.values for part in value]
            names = bool(parts) and all(isinstance(part, str | int) for part in parts)
            return 0.8 if names and short(parts) else 0.0
        if not is_string(sample.type) or not any("|" in value for value in sample.values):
            return 0.0
        return 0.8 if few(len(set(sample.values)), len(sample.values)) and short(sample.values) else 0.0
