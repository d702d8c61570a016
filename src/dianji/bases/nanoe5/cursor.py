"""Reads little-endian values one after the other; nothing is read beyond the end."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dianji.errors import BaseError


@dataclass
class Cursor:
    """A place in a file's bytes, which moves on with what is read."""

    file: Path  # for messages
    data: bytes
    place: int = 0

    def bytes(self, count: int, what: str) -> bytes:
        """The next ``count`` bytes.

        Raises:
            BaseError: fewer are left.
        """
        self.require(0 <= count <= len(self.data) - self.place, what, f"{count} bytes", self._left())
        found = self.data[self.place : self.place + count]
        self.place += count
        return found

    def values(self, form: str, what: str) -> tuple[int | float, ...]:
        """The next values, as ``struct`` names their types.

        Raises:
            BaseError: too few bytes are left.
        """
        form = f"<{form}"
        found: tuple[int | float, ...] = struct.unpack(form, self.bytes(struct.calcsize(form), what))
        return found

    def whole(self, form: str, what: str) -> int:
        """The next whole number.

        Raises:
            BaseError: too few bytes are left.
        """
        return int(self.values(form, what)[0])

    def array(self, kind: str, count: int, what: str) -> np.ndarray:
        """The next ``count`` numbers of a numpy type.

        Raises:
            BaseError: too few bytes are left.
        """
        dtype = np.dtype(kind)
        return np.frombuffer(self.bytes(max(count, -1) * dtype.itemsize, what), dtype)

    def text(self, count: int, what: str) -> str:
        """The next ``count`` bytes as UTF-8.

        Raises:
            BaseError: too few bytes are left, or they are not UTF-8.
        """
        found = self.bytes(count, what)
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fault(what, "UTF-8", f"other bytes at {self.place - count + error.start}") from None

    def require(self, holds: bool, what: str, expected: str, found: object) -> None:
        """Refuse a file of which ``holds`` is not true.

        Raises:
            BaseError: names the place, what was expected and what was found.
        """
        if not holds:
            raise self.fault(what, expected, found)

    def fault(self, what: str, expected: str, found: object) -> BaseError:
        """The error about this place."""
        return BaseError(
            f"{self.file}, byte {self.place}: {what}: expected {expected}, found {found}. The file is damaged, or of "
            "another format. Install the package that it came with again."
        )

    def _left(self) -> str:
        return f"{len(self.data) - self.place} before the end of the file"
