"""Decode, the line's third step: the rows of every place with all of their columns, and the digest of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from dianji.data import source
from dianji.data.digest import data_digest
from dianji.data.findings import Findings
from dianji.data.line import Again, Batch, Flow, Reading
from dianji.data.source import Streamed
from dianji.errors import DataError


def decode(flow: Flow) -> Flow:
    """A batch for every place; of a stream as many as there are, read while they are gone through.

    Faults of rows and of places go to the findings. A place at fault has no batch.

    Raises:
        DataError: a file cannot be read at all, or a service is to be read as a stream.
    """
    if flow.request.chunks:
        for reading in flow.readings:
            if reading.source.reads == "service" and flow.request.spec.stream:
                raise DataError(
                    f"{flow.request.section}.stream: rows of a service are not read as a stream. Save them to files "
                    "first."
                )
        live = any(reading.place.live is not None for reading in flow.readings)
        digest = "" if live else data_digest(flow.readings, [None] * len(flow.readings), flow.request)
        return replace(flow, digest=digest, batches=Again(lambda: _chunks(flow)))
    tables = [_whole(reading, flow) for reading in flow.readings]
    digest = data_digest(flow.readings, tables, flow.request)
    pairs = zip(flow.readings, tables, strict=True)
    return replace(
        flow, digest=digest, batches=tuple(Batch(table, reading) for reading, table in pairs if table is not None)
    )


def _whole(reading: Reading, flow: Flow) -> pa.Table | None:
    own = Findings()
    table = None
    try:
        table = reading.source.read(reading.place, flow.request.spec.encoding, own)
    except DataError as error:
        own.fault(str(error))
    own.rows[reading.place.name] = table.num_rows if table is not None else 0
    flow.findings.merge(own)
    return table


def _chunks(flow: Flow) -> Iterator[Batch]:
    """The batches of every place; one at fault ends early, and the next goes on."""
    findings = flow.findings
    for reading in flow.readings:
        name, before, rows = reading.place.name, findings.count, 0
        try:
            for table in _tables(reading, flow.request.spec.encoding, findings):
                rows += table.num_rows
                findings.rows[name] = rows
                yield Batch(table, reading)
        except DataError as error:
            findings.fault(str(error))
        if not rows and findings.count == before:
            findings.fault(f"{name} holds no row: at least one is needed. Check the path, or write the rows.")


def _tables(reading: Reading, encoding: str, findings: Findings) -> Iterator[pa.Table]:
    """A source that cannot give chunks is read as a whole, and cut."""
    if isinstance(reading.source, Streamed):
        yield from reading.source.chunks(reading.place, encoding, findings)
        return
    whole = reading.source.read(reading.place, encoding, findings)
    for start in range(0, whole.num_rows, source.CHUNK_ROWS):
        yield whole.slice(start, source.CHUNK_ROWS)
