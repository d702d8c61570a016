"""Every edit, deletion and reordering of the ledger is found, and the first one is named with its line."""

from __future__ import annotations

import itertools
import json

import pytest

from dianji.errors import StoreError
from dianji.store.chain import verify_ledger
from dianji.store.ledger import Ledger

ENTRIES = 5


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for number in range(ENTRIES):
        ledger.append("begin", recipe="银行", number=number)
    return ledger


def lines(ledger):
    return ledger.path.read_bytes().splitlines(keepends=True)


def rewrite(ledger, changed):
    ledger.path.write_bytes(b"".join(changed))


def edited(line, **facts):
    return json.dumps({**json.loads(line), **facts}, ensure_ascii=False).encode() + b"\n"


def test_an_honest_ledger(ledger):
    found = verify_ledger(ledger)
    assert (found.ok, found.entries, found.line, found.notes) == (True, ENTRIES, None, ())
    assert found.to_json()["ok"] is True


@pytest.mark.parametrize("place", range(ENTRIES))
@pytest.mark.parametrize("facts", [{"recipe": "other"}, {"before": "0" * 64}, {"time": "1999-01-01T00:00:00+00:00"}])
def test_an_edited_entry_is_named(ledger, place, facts):
    changed = lines(ledger)
    changed[place] = edited(changed[place], **facts)
    rewrite(ledger, changed)
    found = verify_ledger(ledger)
    assert found.line == place + 1
    assert "edited" in found.fault


@pytest.mark.parametrize("place", range(ENTRIES))
def test_a_deleted_entry_is_missed_where_it_stood(ledger, place):
    changed = lines(ledger)
    del changed[place]
    rewrite(ledger, changed)
    found = verify_ledger(ledger)
    assert found.line == place + 1
    assert "deleted" in found.fault


@pytest.mark.parametrize("order", [o for o in itertools.permutations(range(4)) if o != (0, 1, 2, 3)])
def test_any_other_order_is_found_at_the_first_entry_out_of_place(tmp_path, order):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for number in range(4):
        ledger.append("begin", number=number)
    before = lines(ledger)
    rewrite(ledger, [before[place] for place in order])
    found = verify_ledger(ledger)
    assert found.line == 1 + next(place for place, stood in enumerate(order) if place != stood)
    assert "stands where it does not belong" in found.fault


def test_an_entry_that_was_put_in_is_named(ledger):
    changed = lines(ledger)
    forged = edited(changed[2], number=9)
    rewrite(ledger, [*changed[:2], forged, *changed[2:]])
    found = verify_ledger(ledger)
    assert (found.line, found.fault) == (3, "was put in by hand")


def test_a_line_that_is_no_entry(ledger):
    rewrite(ledger, [*lines(ledger)[:2], b"what?\n", *lines(ledger)[2:]])
    assert verify_ledger(ledger).line == 3


def test_the_next_entry_does_not_cover_an_edit(ledger):
    changed = lines(ledger)
    changed[-1] = edited(changed[-1], recipe="other")
    rewrite(ledger, changed)
    for _ in range(3):
        ledger.append("begin")
    found = verify_ledger(ledger)
    assert found.line == ENTRIES
    assert "edited or replaced" in found.fault


def test_the_next_entry_does_not_cover_a_deletion(ledger):
    rewrite(ledger, lines(ledger)[:-2])
    ledger.append("begin")
    assert not verify_ledger(ledger).ok
    ledger.append("begin")
    assert not verify_ledger(ledger).ok


def test_a_ledger_without_its_head_is_not_trusted(ledger):
    ledger.head.path.unlink()
    assert "ledger.head is missing" in verify_ledger(ledger).fault
    ledger.append("begin")
    assert "ledger.head is missing" in verify_ledger(ledger).fault


def test_a_damaged_head_is_told_and_stops_nobody(ledger):
    ledger.head.path.write_text("{", encoding="utf-8")
    ledger.append("begin")
    assert "damaged" in verify_ledger(ledger).fault


def test_a_half_written_entry_is_no_fault(ledger):
    with ledger.path.open("ab") as file:
        file.write(b'{"event":"do')
    found = verify_ledger(ledger)
    assert found.ok
    assert "half-written" in found.notes[0]
    ledger.append("done")
    assert verify_ledger(ledger).ok


@pytest.mark.parametrize("entries", [0, 1, ENTRIES])
def test_a_power_cut_between_entry_and_head_is_no_fault(tmp_path, monkeypatch, entries):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for number in range(entries):
        ledger.append("begin", number=number)
    with monkeypatch.context() as patch:
        patch.setattr("dianji.store.head.write_json", lambda path, value: None)
        ledger.append("cut")
    assert verify_ledger(ledger).ok
    ledger.append("next")
    assert verify_ledger(ledger).ok
    changed = lines(ledger)
    changed[-2] = edited(changed[-2], event="forged")
    rewrite(ledger, changed)
    assert verify_ledger(ledger).line == entries + 1


def test_without_a_ledger(tmp_path):
    with pytest.raises(StoreError, match="there is no ledger"):
        verify_ledger(Ledger(tmp_path / "ledger.jsonl"))


def test_the_head_is_beside_the_ledger(ledger):
    assert sorted(path.name for path in ledger.path.parent.iterdir()) == [
        "ledger.head",
        "ledger.jsonl",
        "ledger.jsonl.lock",
    ]
