"""The contract of a source: one format of rows to an Arrow table whose rows say where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from dianji.data.findings import Findings
from dianji.errors import DataError

#: Column of every table: ``file.csv, line 214`` or ``file.parquet, row 17``.
SOURCE = "__source__"
#: Column of tables whose source already divides its rows; null where it does not say.
SPLIT = "__split__"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Place:
    """One file, folder or id to read."""

    path: str
    #: What messages call it.
    name: str
    #: The split that the file's own name or folder announces.
    split: str | None = None
    #: Standard input, already read.
    content: bytes | None = None

    @property
    def folder(self) -> Path:
        """Where relative paths inside the file start."""
        return Path() if self.content is not None else Path(self.path).parent

    def read_bytes(self) -> bytes:
        """All bytes.

        Raises:
            DataError: the file cannot be read.
        """
        if self.content is not None:
            return self.content
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read: {error.strerror}. Check the path and its permissions."
            ) from None

    def head(self, size: int = 65536) -> bytes:
        """The first bytes, for recognising the format."""
        if self.content is not None:
            return self.content[:size]
        try:
            with Path(self.path).open("rb") as file:
                return file.read(size)
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read: {error.strerror}. Check the path and its permissions."
            ) from None


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


def with_sources(table: pa.Table, places: Sequence[str] | pa.Array) -> pa.Table:
    """The table with ``__source__`` as its last column."""
    return table.append_column(SOURCE, pa.array(places, pa.string()))


def numbered(name: str, count: int, unit: str = "row", start: int = 1) -> list[str]:
    """Names of rows: ``name, row 1``, ``name, row 2`` and so on."""
    return [f"{name}, {unit} {number}" for number in range(start, start + count)]
