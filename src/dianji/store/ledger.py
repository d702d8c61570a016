"""The ledger: an append-only record of runs and their inputs, by digest. One JSON document a line."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from dianji.errors import StoreError
from dianji.store.atomic import translated
from dianji.store.digest import canonical, line_digest
from dianji.store.head import Head

TAIL = 65536  # bytes


@dataclass(frozen=True)
class Ledger:
    """Entries carry the sha256 of the line before, so that an edited or missing line shows."""

    path: Path

    @property
    def head(self) -> Head:
        """The head beside the ledger: no later entry carries the sha256 of the last line."""
        return Head(self.path.with_suffix(".head"))

    def append(self, event: str, **facts: Any) -> None:
        """Add one entry; safe for several processes at once."""
        with translated(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(str(self.path) + ".lock"), self.path.open("ab+") as file:
                before = _last_line(file)
                entry = {
                    "time": datetime.now(UTC).isoformat(timespec="seconds"),
                    "event": event,
                    **facts,
                    "before": line_digest(before),
                }
                line = canonical(entry).encode()
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
                self.head.follow(before, line, self.path)

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first.

        Raises:
            StoreError: a line is not JSON; names it.
        """
        if not self.path.exists():
            return []
        entries = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            try:
                entries.append(json.loads(line))
            except ValueError as error:
                raise StoreError(
                    f"{self.path}, line {number}: not a JSON document. The ledger was edited or cut off."
                ) from error
        return entries


def _last_line(file: BinaryIO) -> bytes:
    """The last line without its newline; entries are short, so the last 64 KiB hold it.

    An entry that a full disk or a power cut left half-written is cut off.
    """
    start = max(0, file.seek(0, os.SEEK_END) - TAIL)
    file.seek(start)
    tail = file.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    if whole or start == 0:
        file.truncate(start + len(whole))
    lines = whole.splitlines()
    return lines[-1] if lines else b""
