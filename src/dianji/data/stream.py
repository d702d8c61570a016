"""The rows of files or of standard input, a chunk at a time: memory does not grow with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from dianji.data import resolve
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.select import Request, require_roles, select
from dianji.data.sniff import file_format
from dianji.data.source import CHUNK_ROWS, Peekable, Place, Streamed
from dianji.errors import DataError


@dataclass(frozen=True)
class Stream:
    """Rows that can be gone through; ``rows`` is None where they come only once and nobody can know how many."""

    readings: tuple[resolve.Reading, ...]
    request: Request
    encoding: str = "auto"
    rows: int | None = None
    warnings: tuple[str, ...] = ()

    def chunks(self) -> Iterator[pa.Table]:
        """The task's columns under the task's names, and ``__source__``; chunk by chunk, in order.

        Raises:
            DataError: a row, a column or a file is at fault; what came before it has been given.
        """
        for reading in self.readings:
            findings = Findings()
            for chunk in selected(reading, self.request, self.encoding, findings):
                findings.check()
                yield chunk
            findings.check()


def open_stream(
    path: str, columns: Mapping[str, Column], mapping: Mapping[str, str], given: Mapping[str, str] | None = None
) -> Stream:
    """The rows of a file, a folder, a glob or standard input (``-``).

    Files are read through once before the first row is given, so that every fault is told before any work is done, and
    the number of rows is known.

    Args:
        path: what to read.
        columns: the task's, without targets.
        mapping: what the task calls a column -> what the data calls it, if it is there under this name.
        given: the same as the caller says; such a column must be there.

    Raises:
        DataError: what is wrong with files, rows and columns.
        RecipeError: the task has no column that is ``given``.
    """
    require_roles(given or {}, columns, targets=False)
    request = Request(columns, mapping, lenient=True, given=given or {})
    if path == "-":
        place = Place("-", "standard input", live=Peekable(sys.stdin.buffer))
        return Stream((resolve.reading_of(place, file_format(place), {}),), request)
    readings = tuple(resolve.places(path, "auto", {}))
    return looked_through(Stream(readings, request), lambda chunk: None)


def looked_through(stream: Stream, see: Callable[[pa.Table], None]) -> Stream:
    """The stream with its number of rows, after every chunk was seen.

    Raises:
        DataError: the first faults of all files together.
    """
    findings, rows = Findings(), 0
    for reading in stream.readings:
        own = Findings()
        try:
            for chunk in selected(reading, stream.request, stream.encoding, own):
                rows += chunk.num_rows
                if not own.count:
                    see(chunk)
        except DataError as error:
            own.fault(str(error))
        findings.merge(own)
    findings.check()
    return Stream(stream.readings, stream.request, stream.encoding, rows, tuple(findings.warnings))


def selected(reading: resolve.Reading, request: Request, encoding: str, findings: Findings) -> Iterator[pa.Table]:
    """The columns of a place that ``request`` names, chunk by chunk; faults of rows go to ``findings``.

    Raises:
        DataError: the place or a column of it is at fault.
    """
    empty = True
    for table in _tables(reading, encoding, findings):
        empty = False
        yield select(table, request, reading.place, findings)
    if empty and not findings.count:
        raise DataError(
            f"{reading.place.name} holds no row: at least one is needed. Check the path, or write the rows."
        )


def _tables(reading: resolve.Reading, encoding: str, findings: Findings) -> Iterator[pa.Table]:
    """A source that cannot give chunks is read as a whole, and cut."""
    if isinstance(reading.source, Streamed):
        yield from reading.source.chunks(reading.place, encoding, findings)
        return
    whole = reading.source.read(reading.place, encoding, findings)
    for start in range(0, whole.num_rows, CHUNK_ROWS):
        yield whole.slice(start, CHUNK_ROWS)
