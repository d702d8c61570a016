"""Tables that grow on the disk, chunk by chunk, and end as one record batch, from which rows are taken quickly.

Taking 64 rows from 16 chunks of a memory-mapped file takes two hundred milliseconds, from one chunk a twentieth of one
(pyarrow 22): it joins the chunks each time. Joining them once in memory would need the memory. Here every buffer of
every column is a file of its own that is appended to; the record batch is made of these files, memory-mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa


class UnsupportedColumn(Exception):
    """A column has nulls, or a type that cannot be appended to in this way."""


class GrowingTable:
    """Tables of one schema, concatenated in files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schema: pa.Schema | None = None
        self._columns: list[_Column] = []
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows.

        Raises:
            UnsupportedColumn: a column cannot grow.
        """
        if self._schema is None:
            self._schema = table.schema
            self._columns = [
                _column(field.type, self._folder / f"{number}") for number, field in enumerate(table.schema)
            ]
        for column, values in zip(self._columns, table.columns, strict=True):
            for chunk in values.chunks:
                column.append(chunk)
        self.rows += table.num_rows

    def finish(self) -> pa.RecordBatch:
        """All rows; the files must stay as long as they are used."""
        if self._schema is None:
            raise ValueError("a table without a schema: append at least one, if only of no rows")
        return pa.RecordBatch.from_arrays([column.finish() for column in self._columns], schema=self._schema)


def slices(table: pa.Table, rows: int, size: int) -> Iterator[pa.Table]:
    """Pieces of the table of at most ``rows`` rows and about ``size`` bytes; one piece for an empty table."""
    start = 0
    while start < max(1, table.num_rows):
        count = rows
        while (piece := table.slice(start, count)).nbytes > size and count > 1:
            count //= 2
        yield piece
        start += count


class _Column:
    """A column, whose arrays are appended to files and become one array."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self.rows = 0

    def append(self, array: pa.Array) -> None:
        if array.null_count:
            raise UnsupportedColumn(f"{array.null_count} nulls")
        self.rows += len(array)
        self._append(array)

    def finish(self) -> pa.Array:
        return pa.Array.from_buffers(self.kind, self.rows, [None, self._values()])

    def _append(self, array: pa.Array) -> None:
        raise NotImplementedError

    def _values(self) -> pa.Buffer:
        raise NotImplementedError


class _Fixed(_Column):
    """Values of one width."""

    def __init__(self, kind: pa.DataType, path: Path) -> None:
        super().__init__(kind)
        self._width = kind.bit_width // 8
        self._file = _File(path)

    def _append(self, array: pa.Array) -> None:
        start = array.offset * self._width
        self._file.write(array.buffers()[1].slice(start, len(array) * self._width))

    def _values(self) -> pa.Buffer:
        return self._file.mapped()


class _Bits(_Column):
    """Booleans: a byte each while they are appended, a bit each at the end."""

    def __init__(self, kind: pa.DataType, path: Path) -> None:
        super().__init__(kind)
        self._file = _File(path)

    def _append(self, array: pa.Array) -> None:
        self._file.write(array.to_numpy(zero_copy_only=False).tobytes())

    def _values(self) -> pa.Buffer:
        return pa.py_buffer(np.packbits(np.frombuffer(self._file.mapped(), dtype=np.uint8), bitorder="little"))


class _Lists(_Column):
    """Lists: the end of each, and a column of their values."""

    def __init__(self, kind: pa.DataType, path: Path) -> None:
        super().__init__(kind)
        self._ends = _File(path.with_name(f"{path.name}-ends"))
        self._items = _column(kind.value_type, path.with_name(f"{path.name}-items"))
        self._ends.write(np.zeros(1, dtype=np.int64).tobytes())

    def _append(self, array: pa.Array) -> None:
        offsets = array.offsets.to_numpy()
        self._ends.write((offsets[1:].astype(np.int64) - offsets[0] + self._items.rows).tobytes())
        self._items.append(array.flatten())

    def finish(self) -> pa.Array:
        return pa.Array.from_buffers(self.kind, self.rows, [None, self._ends.mapped()], children=[self._items.finish()])


class _Bytes(_Column):
    """Texts and bytes: the end of each, and their concatenation."""

    def __init__(self, kind: pa.DataType, path: Path) -> None:
        super().__init__(kind)
        self._ends = _File(path.with_name(f"{path.name}-ends"))
        self._data = _File(path)
        self._end = 0
        self._ends.write(np.zeros(1, dtype=np.int64).tobytes())

    def _append(self, array: pa.Array) -> None:
        wide = array.cast(self.kind)
        _, ends, data = wide.buffers()
        offsets = np.frombuffer(ends, dtype=np.int64)[wide.offset : wide.offset + len(wide) + 1]
        self._ends.write((offsets[1:] - offsets[0] + self._end).tobytes())
        if data is not None:
            self._data.write(data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        self._end += int(offsets[-1] - offsets[0])

    def finish(self) -> pa.Array:
        return pa.Array.from_buffers(self.kind, self.rows, [None, self._ends.mapped(), self._data.mapped()])


class _File:
    """Bytes that are appended, then memory-mapped. The file is open only while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, data: bytes | pa.Buffer) -> None:
        with self._path.open("ab") as file:
            file.write(data)

    def mapped(self) -> pa.Buffer:
        if not self._path.exists() or not self._path.stat().st_size:  # nothing cannot be mapped
            return pa.py_buffer(b"")
        with pa.memory_map(str(self._path)) as source:
            return source.read_buffer()


def _column(kind: pa.DataType, path: Path) -> _Column:
    if pa.types.is_boolean(kind):
        return _Bits(kind, path)
    if pa.types.is_large_list(kind):
        return _Lists(kind, path)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return _Bytes(kind, path)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_fixed_size_binary(kind):
        return _Fixed(kind, path)
    raise UnsupportedColumn(f"a column of {kind}")
