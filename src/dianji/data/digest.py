"""The digest of data: over the bytes of files, over the rows of services, and over image files that a table names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.files import digest_of, file_digest
from dianji.data.line import Reading, Request
from dianji.data.select import column_of
from dianji.data.source import SOURCE, SeveralFiles
from dianji.data.sources import arrow, images


def data_digest(readings: Sequence[Reading], tables: Sequence[pa.Table | None], request: Request) -> str:
    """sha256 over what determines the rows, not over paths.

    Args:
        readings: in their order.
        tables: what was read of each; None where only its bytes count, or where it is at fault.
        request: columns that may name files count with the files' bytes.

    Raises:
        DataError: a file cannot be read.
    """
    total = hashlib.sha256()
    for reading, table in zip(readings, tables, strict=True):
        total.update(f"\n{reading.role}\n".encode())
        if reading.source.reads == "service":
            total.update(bytes.fromhex(rows_digest(table)) if table is not None else b"")
        elif reading.place.content is not None:
            total.update(hashlib.sha256(reading.place.content).digest())
        else:
            total.update(digest_of(_files(reading)).encode())
            for path in _named_files(table, request, reading.place.folder) if table is not None else []:
                total.update(file_digest(path))
    return total.hexdigest()


def needs_rows(readings: Sequence[Reading], columns: Mapping[str, Column]) -> bool:
    """Whether the digest does not follow from the files alone."""
    naming = any(column.of.names_files for column in columns.values())
    return any(
        reading.source.reads == "service" or (naming and reading.format not in ("images", "parquet"))
        for reading in readings
    )


def _files(reading: Reading) -> Iterable[tuple[str, Path]]:
    if isinstance(reading.source, SeveralFiles):
        return reading.source.files(reading.place)
    path = Path(reading.place.path)
    if reading.source.reads == "folder" and reading.format != "arrow" and path.is_dir():  # folders are labels
        return [(file.relative_to(path).as_posix(), file) for file in images.visible(path)]
    if reading.format == "arrow":
        return [(str(number), file) for number, file in enumerate(arrow.parts(path))]
    return [("file", path)]


def _named_files(table: pa.Table, request: Request, folder: Path) -> Iterable[Path]:
    for name, column in request.wanted.items():
        for source in request.sources(name) if column.of.names_files else ():
            values = column_of(table, source)
            if values is not None:
                yield from column.of.files(values, folder)


def rows_digest(table: pa.Table) -> str:
    """Over names, types and values; fresh buffers, because chunks and offsets of the same rows may differ."""
    rows = table.drop_columns([SOURCE]).replace_schema_metadata(None)
    rows = rows.take(pa.array(range(rows.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(sink.getvalue()).hexdigest()
