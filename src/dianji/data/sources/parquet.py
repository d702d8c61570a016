"""Parquet, also with the ``image{bytes,path}`` columns of the Hub."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from dianji.data.findings import Findings
from dianji.data.source import CHUNK_ROWS, Place, numbered, with_sources
from dianji.data.sources._arrow import with_label_names
from dianji.errors import DataError
from dianji.registry import component

_BUFFER = 2**20  # bytes of a column that are read at a time


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
        with _translated(place):
            table = pq.read_table(io.BytesIO(data))
        if not table.num_rows:
            raise _without_rows(table.column_names, place)
        return with_sources(with_label_names(table, place.name), numbered(place.name, table.num_rows))

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; a file comes page by page, standard input has to be held as a whole."""
        source = io.BytesIO(place.read_bytes()) if place.live is not None or place.content is not None else place.path
        first = 1
        with _translated(place):
            file = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
        if not file.metadata.num_rows:
            raise _without_rows(file.schema_arrow.names, place)
        batches = file.iter_batches(CHUNK_ROWS)
        while True:
            with _translated(place):
                batch = next(batches, None)
            if batch is None:
                return
            table = pa.Table.from_batches([batch]).replace_schema_metadata(file.schema_arrow.metadata)
            yield with_sources(with_label_names(table, place.name), numbered(place.name, batch.num_rows, start=first))
            first += batch.num_rows


@contextmanager
def _translated(place: Place) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{place.name} is not a whole Parquet file ({str(error).splitlines()[0]}). Write it again from its source."
        ) from None


def _without_rows(columns: list[str], place: Place) -> DataError:
    return DataError(f"{place.name} has columns ({', '.join(columns)}) and no rows: at least one row is needed.")
