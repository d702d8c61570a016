"""The contract of a source: one format of rows to an Arrow table whose rows say where they came from."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import pyarrow as pa

from dianji.data.findings import Findings
from dianji.errors import DataError

#: Column of every table: ``file.csv, line 214`` or ``file.parquet, row 17``.
SOURCE = "__source__"
#: Column of tables whose source already divides its rows; null where it does not say.
SPLIT = "__split__"
#: Column of tables whose recipe divides by group: the resampling unit of a row, int64.
UNIT = "__unit__"
SPLITS = ("train", "validation", "test")

#: Rows of one chunk where rows come a chunk at a time …
CHUNK_ROWS = 4096
#: … and characters (or bytes of images), so that long documents make smaller chunks.
CHUNK_SIZE = 2**24

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """One file, folder or id to read."""

    path: str
    #: What messages call it.
    name: str
    #: The split that the file's own name or folder announces.
    split: str | None = None
    #: The source that the recipe names, and its arguments; auto: by what lies there.
    format: str = "auto"
    options: Mapping[str, object] = field(default_factory=dict)
    #: Whether the recipe gives it for validation or test, beside the data of its own.
    given: bool = False
    #: Standard input, already read.
    content: bytes | None = None
    #: Standard input, to be read once, as it comes; its first bytes can be looked at before.
    live: Peekable | None = None

    @property
    def folder(self) -> Path:
        """Where relative paths inside the file start."""
        return Path() if self.content is not None or self.live is not None else Path(self.path).parent

    def open(self) -> BinaryIO:
        """The bytes, from the first one on.

        Raises:
            DataError: the file cannot be read.
        """
        if self.live is not None:
            return io.BufferedReader(self.live)
        if self.content is not None:
            return io.BytesIO(self.content)
        try:
            return Path(self.path).open("rb")
        except OSError as error:
            raise self._unreadable(error) from None

    def read_bytes(self) -> bytes:
        """All bytes.

        Raises:
            DataError: the file cannot be read.
        """
        with self.open() as file:
            try:
                return file.read()
            except OSError as error:
                raise self._unreadable(error) from None

    def head(self, size: int = 65536) -> bytes:
        """The first bytes, for recognising the format."""
        if self.live is not None:
            return self.live.head
        with self.open() as file:
            try:
                return file.read(size)
            except OSError as error:
                raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> DataError:
        return DataError(f"{self.path} cannot be read: {error.strerror}. Check the path and its permissions.")


class Peekable(io.RawIOBase):
    """A pipe whose first bytes were looked at and are read again."""

    def __init__(self, source: BinaryIO, size: int = 65536) -> None:
        self.head: bytes = source.read1(size)  # type: ignore[attr-defined]  # every buffered reader has it
        self._left = memoryview(self.head)
        self._source = source

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed asks for any buffer
        """As much as there is, without waiting for more."""
        part = self._left[: len(buffer)] if self._left else self._more(len(buffer))
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def _more(self, size: int) -> memoryview:
        return memoryview(self._source.read1(size))  # type: ignore[attr-defined]  # as above


class Source(Protocol):
    """A frozen dataclass; constructor arguments are the recipe's ``options``.

    ``reads`` says what a place is: one file, a folder (or file) taken as a whole, or a service that is no path.
    """

    suffixes: ClassVar[tuple[str, ...]]
    reads: ClassVar[Literal["file", "folder", "service"]]

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All rows with every column of the data, ``__source__``, and ``__split__`` where rows come divided.

        Faults of single rows go to ``findings`` and reading goes on.

        Raises:
            DataError: the place as a whole cannot be read.
            CapabilityError: an optional package is missing.
        """
        ...


@runtime_checkable
class Streamed(Source, Protocol):
    """A source that can give its rows a chunk at a time, in memory that does not grow with them."""

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """What ``read`` gives, in pieces of about ``CHUNK_ROWS`` rows; types are those of each piece.

        Raises:
            DataError: as ``read``, where the place's fault is met.
        """
        ...


@runtime_checkable
class SeveralFiles(Source, Protocol):
    """A source for which a place stands for several files."""

    def files(self, place: Place) -> Sequence[tuple[str, Path]]:
        """(name, path) of each of them, in a fixed order; names do not depend on where the files lie.

        Raises:
            DataError: the files cannot be told.
        """
        ...


def pieces(items: Iterable[T], size: Callable[[T], int], most: int = CHUNK_SIZE) -> Iterator[list[T]]:
    """Lists of at most ``CHUNK_ROWS`` items, fewer where their sizes sum up to ``most``; no empty ones."""
    held: list[T] = []
    total = 0
    for item in items:
        held.append(item)
        total += size(item)
        if len(held) == CHUNK_ROWS or total >= most:
            yield held
            held, total = [], 0
    if held:
        yield held


def with_sources(table: pa.Table, places: Sequence[str] | pa.Array) -> pa.Table:
    """The table with ``__source__`` as its last column."""
    return table.append_column(SOURCE, pa.array(places, pa.string()))


def numbered(name: str, count: int, unit: str = "row", start: int = 1) -> list[str]:
    """Names of rows: ``name, row 1``, ``name, row 2`` and so on."""
    return [f"{name}, {unit} {number}" for number in range(start, start + count)]


def units(table: pa.Table) -> np.ndarray | None:
    """(rows,) int64: the resampling unit of each row; None where rows are independent."""
    return table[UNIT].to_numpy() if UNIT in table.column_names else None
