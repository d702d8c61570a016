"""Follows the ledger's chain from its first entry to its last, to find edited, deleted or moved entries."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dianji.errors import StoreError
from dianji.store.digest import line_digest
from dianji.store.head import Mark
from dianji.store.ledger import Ledger


@dataclass(frozen=True)
class LedgerVerification:
    """The result of ``dianji verify --ledger``. ``line`` is that of the first entry that was changed."""

    ledger: Path
    entries: int
    line: int | None = None
    fault: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing was changed."""
        return not self.fault

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "ledger": str(self.ledger), "notes": list(self.notes), "ok": self.ok}


@dataclass(frozen=True)
class _Chain:
    """Lines with the sha256 of each, and the sha256 of the preceding line that each of them carries."""

    lines: list[bytes]
    own: list[str]
    carried: list[str | None]  # None: not an entry
    mark: Mark | None

    def confirmed(self, place: int) -> bool:
        """Whether the entry after a line carries its sha256."""
        after = self.carried[place + 1] if place + 1 < len(self.lines) else self.mark.last if self.mark else None
        return after == self.own[place]

    @property
    def missing(self) -> int:
        """The number of entries that the head counts and the ledger lacks."""
        return max(0, self.mark.entries - len(self.lines)) if self.mark else 0

    @property
    def added(self) -> int:
        """The number of entries that the ledger has and the head does not count."""
        return max(0, len(self.lines) - self.mark.entries) if self.mark else 0


def verify_ledger(ledger: Ledger) -> LedgerVerification:
    """Follow the chain.

    Raises:
        StoreError: there is no ledger.
    """
    if not ledger.path.is_file():
        raise StoreError(f"{ledger.path}: there is no ledger. Expected the store of a run; DIANJI_HOME names another.")
    try:
        mark = ledger.head.read()
    except StoreError as error:
        return LedgerVerification(ledger.path, 0, None, str(error))
    *lines, rest = ledger.path.read_bytes().split(b"\n")
    chain = _Chain(lines, [line_digest(line) for line in lines], [_carried(line) for line in lines], mark)
    notes = (f"what follows line {len(lines)} is a half-written entry; the next one takes its place",) if rest else ()
    line, fault = _first_fault(chain) or (None, "")
    return LedgerVerification(ledger.path, len(lines), line, fault, notes)


def _first_fault(chain: _Chain) -> tuple[int, str] | None:
    before = line_digest(b"")
    for place, (own, carried) in enumerate(zip(chain.own, chain.carried, strict=True)):
        if carried is None:
            return place + 1, "is not an entry: it was edited or damaged"
        if carried != before:
            return _explained(chain, place)
        before = own
    return _at_the_end(chain)


def _explained(chain: _Chain, place: int) -> tuple[int, str]:
    """The reason why an entry does not carry the sha256 of the line before it."""
    carried, number = chain.carried[place], place + 1
    after = chain.own.index(carried) + 1 if carried in chain.own else 0 if carried == line_digest(b"") else None
    if after is not None and after < place and chain.added:
        return after + 1, "was put in by hand"
    if after is not None and after != number:
        where = f"after line {after}" if after else "as the first entry"
        return number, f"stands where it does not belong: it was written {where}"
    if chain.missing:
        return number, "is not the entry that stood here: one or more entries before it were deleted"
    if place == 0 or not chain.confirmed(place):
        return number, "was edited"
    return place, "was edited"


def _at_the_end(chain: _Chain) -> tuple[int, str] | None:
    """Compare the head with the last entry; a power cut may leave one entry more than the head counts."""
    mark, count = chain.mark, len(chain.lines)
    if mark is None:
        return (count, "has no head: ledger.head is missing, and so may be entries") if count > 1 else None
    if chain.missing:
        return count + 1, f"is missing: entries at the end were deleted (there were {mark.entries})"
    if mark.last != (chain.own[mark.entries - 1] if mark.entries else line_digest(b"")):
        return mark.entries, "is not the entry that ledger.head knows: it was edited or replaced"
    if chain.added > 1:
        return mark.entries + 1, f"was put in by hand: ledger.head knows of {mark.entries} entries"
    return None


def _carried(line: bytes) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    before = entry.get("before") if isinstance(entry, dict) else None
    return before if isinstance(before, str) else None
