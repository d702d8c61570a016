"""The ledger: append-only, chained, safe for several processes."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys

import pytest

from dianji.errors import StoreError
from dianji.store.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "home" / "ledger.jsonl")


def assert_chained(ledger):
    """Each entry carries the sha256 of the line before; the first one that of nothing."""
    before = b""
    for line, entry in zip(ledger.path.read_bytes().splitlines(), ledger.entries(), strict=True):
        assert entry["before"] == hashlib.sha256(before).hexdigest()
        before = line


def test_entries_come_back_in_order_and_chained(ledger):
    for number in range(5):
        ledger.append("begin", recipe="银行", number=number)
    assert [entry["number"] for entry in ledger.entries()] == [0, 1, 2, 3, 4]
    assert {entry["event"] for entry in ledger.entries()} == {"begin"}
    assert_chained(ledger)


def test_an_edited_line_breaks_the_chain(ledger):
    for number in range(3):
        ledger.append("done", number=number)
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b'"number":1', b'"number":7'))
    with pytest.raises(AssertionError):
        assert_chained(ledger)


def test_there_is_nothing_before_the_first(ledger):
    assert ledger.entries() == []


APPEND = """
import sys
from pathlib import Path
from dianji.store.ledger import Ledger
for number in range(30):
    Ledger(Path(sys.argv[1])).append("begin", who=sys.argv[2], number=number)
"""


def test_two_processes_at_once_lose_nothing(ledger):
    writers = [subprocess.Popen([sys.executable, "-c", APPEND, ledger.path, name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    entries = ledger.entries()
    assert len(entries) == 60
    for name in "ab":
        assert [entry["number"] for entry in entries if entry["who"] == name] == list(range(30))
    assert_chained(ledger)


def test_a_half_written_entry_is_cut_off_by_the_next(ledger):
    ledger.append("begin")
    with ledger.path.open("ab") as file:
        file.write(b'{"event":"do')
    ledger.append("done")
    assert [entry["event"] for entry in ledger.entries()] == ["begin", "done"]
    assert_chained(ledger)


def test_a_damaged_line_is_named(ledger):
    ledger.append("begin")
    with ledger.path.open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(StoreError, match=r"ledger\.jsonl, line 2: not a JSON document"):
        ledger.entries()


def test_a_full_disk_is_told(ledger, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        ledger.append("begin")
