"""Parquet, also with the ``image{bytes,path}`` columns of the Hub."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from dianji.data.findings import Findings
from dianji.data.source import Place, numbered, with_sources
from dianji.data.sources._arrow import with_label_names
from dianji.errors import DataError
from dianji.registry import component


@component("source", "parquet")
@dataclass(frozen=True)
class Parquet:
    """Rows of a Parquet file, with its own types."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All columns.

        Raises:
            DataError: damaged, not Parquet, or without rows.
        """
        data = place.read_bytes()
        if not data:
            raise DataError(f"{place.name} is empty: at least one row is needed. Check the path, or write the rows.")
        try:
            table = pq.read_table(io.BytesIO(data))
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{place.name} is not a whole Parquet file ({str(error).splitlines()[0]}). Write it again from "
                "its source."
            ) from None
        if not table.num_rows:
            raise DataError(
                f"{place.name} has columns ({', '.join(table.column_names)}) and no rows: at least one row is needed."
            )
        return with_sources(with_label_names(table), numbered(place.name, table.num_rows))
