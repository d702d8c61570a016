"""The ledger's head: the number of entries, and the sha256 of the last one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dianji.errors import StoreError
from dianji.store.atomic import write_json
from dianji.store.digest import line_digest


@dataclass(frozen=True)
class Mark:
    """The contents of the head."""

    entries: int
    last: str  # sha256 of the last line


@dataclass(frozen=True)
class Head:
    """``ledger.head``. Written after the entry: a power cut in between leaves it one entry behind, never ahead."""

    path: Path

    def read(self) -> Mark | None:
        """None where there is no head.

        Raises:
            StoreError: it is damaged.
        """
        if not self.path.exists():
            return None
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
            if value["entries"] < 0:
                raise ValueError("less than no entries")
            return Mark(int(value["entries"]), str(value["last"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.path}: damaged ({error}). Restore it from a copy of the store.") from error

    def follow(self, before: bytes, line: bytes, ledger: Path) -> None:
        """Move on to ``line``, which was just written after ``before``.

        A head that does not fit is not changed: moving it on would hide a manipulation of the ledger.
        """
        try:
            mark = self.read()
        except StoreError:
            return  # for `dianji verify --ledger` to tell; nobody's training has to end for it
        if mark is not None and mark.last == line_digest(before):
            self._write(mark.entries + 1, line)
            return
        lines = ledger.read_bytes().split(b"\n")[:-1]
        known, last = (mark.entries, mark.last) if mark is not None else (0, line_digest(b""))
        # A power cut after the last entry but one kept the head from following it; or this is the first entry.
        if known <= len(lines) <= known + 2 and last == line_digest(lines[known - 1] if known else b""):
            self._write(len(lines), line)

    def _write(self, entries: int, line: bytes) -> None:
        write_json(self.path, asdict(Mark(entries, line_digest(line))))
