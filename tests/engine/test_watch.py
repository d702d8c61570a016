"""A connection that closes without last words means that its process is gone."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from dianji.engine import watch
from dianji.engine.watch import Watch, connect
from dianji.launch import Launch


@pytest.fixture
def ended(monkeypatch):
    """The exit codes with which the watch would have ended this process."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(watch, "GRACE", 0.05)
    return codes


@pytest.fixture
def pair():
    """Makes a watch over the process of a rank, and the process's end of the connection."""
    made = []

    def make(rank):
        here, there = socket.socketpair()
        made.append((Watch(2, {rank: here}), there))
        return made[-1]

    yield make
    for seen, there in made:
        seen.end()
        there.close()


def goodbye(there, failure):
    """The last words of the process at the other end."""
    other = Watch(2, {9: there})
    assert other.leave(failure)
    other.end()


def join(rank):
    for thread in threading.enumerate():
        if thread.name == f"watch-{rank}":
            thread.join(5)


def test_a_process_that_says_goodbye_is_not_missed(ended, pair):
    seen, there = pair(1)
    goodbye(there, None)
    join(1)
    assert seen.loss(within=0) == ""
    assert ended == []


@pytest.mark.parametrize("last_words", [b"", b'{"failure": "{}'], ids=["none", "cut short"])
def test_a_process_that_goes_without_a_word_is_gone(ended, pair, capfd, last_words):
    seen, there = pair(1)
    there.sendall(last_words)
    there.close()
    assert "process 1 (of 0 to 1) is gone" in seen.loss(within=5)
    join(1)
    assert ended == [1]
    assert "process 1 (of 0 to 1) is gone" in capfd.readouterr().err


def test_why_it_failed_is_told_on(ended, pair, capfd):
    seen, there = pair(0)
    goodbye(there, "the disk is full")
    assert seen.loss(within=5) == "process 0 (of 0 to 1) failed, and all stop: the disk is full"
    assert seen.reported
    join(0)
    assert ended == [1]
    assert capfd.readouterr().err == ""  # process 0 has said it


def test_who_ends_in_time_is_left_alone(ended, pair, monkeypatch):
    monkeypatch.setattr(watch, "GRACE", 5)
    seen, there = pair(1)
    there.close()
    assert seen.loss(within=5)
    seen.end()
    join(1)
    assert ended == []


def test_all_are_connected_to_process_0(ended):
    port: list[int] = []
    known = threading.Event()

    def tell(number):
        port.append(number)
        known.set()
        return number

    def ask(_):
        known.wait(5)
        return port[0]

    made: dict[int, Watch] = {}
    others = [
        threading.Thread(target=lambda rank=rank: made.update({rank: connect(Launch(rank, 3), "127.0.0.1", ask)}))
        for rank in (1, 2)
    ]
    for thread in others:
        thread.start()
    made[0] = connect(Launch(0, 3), "127.0.0.1", tell)
    for thread in others:
        thread.join(5)
    assert made[1].leave("enough")
    assert made[0].loss(within=5) == "process 1 (of 0 to 2) failed, and all stop: enough"
    for one in made.values():
        one.end()
    assert ended == []
