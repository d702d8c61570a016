"""The event log survives kills and tells a resumed run's story once."""

from __future__ import annotations

import errno
import os

import pytest

from dianji.errors import StoreError
from dianji.store.events import Events


@pytest.fixture
def events(tmp_path):
    return Events(tmp_path / "events.jsonl")


def test_reads_what_was_written(events):
    events.write("step", step=1, loss=0.5)
    events.write("note", text="奠基\u2028\u0085 and a\nnewline")
    assert events.read() == [
        {"event": "step", "step": 1, "loss": 0.5},
        {"event": "note", "text": "奠基\u2028\u0085 and a\nnewline"},
    ]


def test_there_is_nothing_before_the_first(events):
    assert events.read() == []


@pytest.mark.parametrize("cut", [b'{"event": "st', '{"event": "奠'.encode()[:-1], b'{"event": "step", "step": 2}'])
def test_a_last_line_that_was_cut_off_is_left_out(events, cut):
    events.write("step", step=1)
    with events.path.open("ab") as file:
        file.write(cut)
    assert [event["step"] for event in events.read()] == [1]


def test_rewind_drops_what_came_after_and_mends_the_end(events):
    for step in range(1, 6):
        events.write("step", step=step)
    events.write("note")  # of no step: kept
    with events.path.open("ab") as file:
        file.write(b'{"event"')
    events.rewind(3)
    assert [event.get("step") for event in events.read()] == [1, 2, 3, None]
    events.write("step", step=4)
    assert [event.get("step") for event in events.read()] == [1, 2, 3, None, 4]


def test_rewind_of_nothing_begins_an_empty_log(events):
    events.rewind(0)
    assert events.path.read_bytes() == b""


def test_a_full_disk_is_told(events, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(events.path), "open", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        events.write("step", step=1)
