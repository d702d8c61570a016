"""Vector: numbers of one length, such as an embedding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from dianji.data.arrow_types import is_list, is_string
from dianji.data.columns._records import BROKEN, rows_of
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary
from dianji.data.columns.number import Number
from dianji.data.findings import Findings
from dianji.registry import component

_SIZE = 8  # of invented vectors


@component("column", "vector")
@dataclass(frozen=True)
class Vector(ColumnKind):
    """A list of finite numbers per row, all of one length; held as a fixed-size list of float32."""

    arrow: ClassVar[pa.DataType] = pa.list_(pa.float32())
    reads_json: ClassVar[bool] = True
    readable: ClassVar[bool] = False
    telling: ClassVar[re.Pattern[str]] = re.compile(r"vectors?|embeddings?|features|向量", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Lists of numbers, and text that may hold them as JSON."""
        return bool(is_string(type_) or (is_list(type_) and _numeric(type_.value_type)))

    def convert(self, cells: Cells, findings: Findings) -> pa.ChunkedArray:
        """Fixed-size lists; a missing vector, another length and a value that is no finite number are faults.

        Raises:
            DataError: the column holds something else.
        """
        rows = rows_of(cells, "a list of numbers", findings)
        cells.missing(pa.array([value is None for value in rows], pa.bool_()), "vector", findings)
        lengths = Counter(len(value) for value in rows if isinstance(value, list))
        size = lengths.most_common(1)[0][0] if lengths else 0
        found = [
            _vector(value, size, f"{cells.where(row)}: column '{cells.name}'", findings)
            for row, value in enumerate(rows)
        ]
        return pa.chunked_array([pa.array(found, pa.list_(pa.float32(), size))])

    def combine(self, parts: Sequence[Cells], findings: Findings) -> pa.ChunkedArray:
        """Columns of numbers side by side."""
        columns = [Number().convert(cells, findings).to_pylist() for cells in parts]
        rows = [None if None in row else list(row) for row in zip(*columns, strict=True)]
        return pa.chunked_array([pa.array(rows, pa.list_(pa.float32(), len(parts)))])

    def check(self, cells: Cells, findings: Findings) -> dict[str, Any]:
        """How long the vectors are."""
        return {"size": cells.values.type.list_size}

    def show(self, value: Any) -> str:
        """The first numbers."""
        if value is None:
            return ""
        return f"[{', '.join(f'{number:.3g}' for number in value[:4])}{', …' if len(value) > 4 else ''}]"

    def to_probe(self, values: pa.ChunkedArray) -> tuple[list[Any], dict[str, np.ndarray]]:
        """One tensor (rows, numbers)."""
        found = np.array(values.to_pylist(), dtype=np.float32).reshape(len(values), -1)
        return [], {"numbers": found}

    def from_probe(self, values: Sequence[Any], tensors: Mapping[str, np.ndarray]) -> pa.Array:
        """Inverse of ``to_probe``."""
        numbers = tensors["numbers"]
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1), pa.float32()), numbers.shape[1])

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """Eight numbers around zero."""
        numbers = rng.standard_normal((count, _SIZE)).astype(np.float32)
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1), pa.float32()), _SIZE)

    def looks_like(self, sample: Sample) -> float:
        """Lists of fractions of one length."""
        if not is_list(sample.type) or not pa.types.is_floating(sample.type.value_type):
            return 0.0
        return 0.9 if len({len(value) for value in sample.values}) == 1 else 0.0


def _numeric(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_))


def _vector(value: Any, size: int, where: str, findings: Findings) -> list[float] | None:
    if value is None or value is BROKEN:
        return None
    if not isinstance(value, list):
        findings.fault(f"{where} holds {type(value).__name__} where a list of numbers is expected.")
        return None
    if len(value) != size:
        findings.fault(f"{where} holds {len(value):,} numbers where the other rows have {size:,}.")
        return None
    with np.errstate(over="ignore"):
        try:
            numbers = np.array(value, dtype=np.float32)
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        findings.fault(f"{where} holds a value that is no finite number.")
        return None
    plain: list[float] = numbers.tolist()
    return plain
