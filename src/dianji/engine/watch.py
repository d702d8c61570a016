"""Notices the loss of a process at once, whatever the others are doing.

Process 0 keeps a connection to every other one, and nothing is sent over it before the end. The operating system closes
it when a process goes, however it goes, so a thread that waits for bytes learns of it, also while the main thread
computes, waits for a GPU, or waits for a process that will never answer.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from dianji.launch import Launch

GRACE = 10.0  # seconds in which the main thread may end by itself
ARRIVAL = 60.0  # seconds until all must be connected
_RANK = struct.Struct("!i")
#: A machine that is lost says nothing; asked every five seconds, it is given up after twenty.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def connect(launch: Launch, host: str, agree: Callable[[int], int]) -> Watch:
    """Connect all processes.

    Args:
        launch: which one this is.
        host: where process 0 can be reached.
        agree: gives every process the number that process 0 puts in: the port it listens on.

    Raises:
        OSError: a process cannot be reached.
    """
    connections: dict[int, socket.socket] = {}
    if launch.main:
        with socket.create_server((host, 0)) as server:
            server.settimeout(ARRIVAL)
            agree(server.getsockname()[1])
            while len(connections) < launch.count - 1:
                connection, _ = server.accept()
                connection.settimeout(ARRIVAL)
                connections[_RANK.unpack(connection.recv(_RANK.size, socket.MSG_WAITALL))[0]] = connection
    else:
        connection = socket.create_connection((host, agree(0)), timeout=ARRIVAL)
        connection.sendall(_RANK.pack(launch.rank))
        connections[0] = connection
    for connection in connections.values():
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return Watch(launch.count, connections)


class Watch:
    """Waits for the other processes to end. One that ends otherwise than by ``leave(None)`` ends this one too."""

    def __init__(self, count: int, connections: Mapping[int, socket.socket]) -> None:
        self._count = count
        self._connections = connections
        self._noticed = threading.Event()
        self._over = threading.Event()
        self._loss = ""
        #: Whether process 0 has failed and told a person why.
        self.reported = False
        self._threads = [
            threading.Thread(target=self._wait_for, args=known, daemon=True, name=f"watch-{known[0]}")
            for known in connections.items()
        ]
        for thread in self._threads:
            thread.start()

    def loss(self, within: float) -> str:
        """The name of a lost process and the reason, as soon as they are known; empty if none is lost in time."""
        self._noticed.wait(within)
        return self._loss

    def leave(self, failure: str | None) -> bool:
        """Tell the others that this process ends, and why if it failed; whether some of them received it."""
        heard = False
        for connection in self._connections.values():
            try:
                connection.sendall(json.dumps({"failure": failure}).encode() + b"\n")
                connection.shutdown(socket.SHUT_WR)
                heard = True
            except OSError:  # it is gone already
                continue
        return heard

    def end(self) -> None:
        """Stop watching."""
        self._over.set()
        for connection in self._connections.values():
            with suppress(OSError):  # the other end is gone
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in self._connections.values():
            connection.close()

    def _wait_for(self, rank: int, connection: socket.socket) -> None:
        last_words = _read(connection)
        found = json.loads(last_words) if last_words.endswith(b"\n") else {}
        if self._over.is_set() or found == {"failure": None}:
            return
        self.reported |= rank == 0 and bool(found)
        self._loss = self._loss or _loss(rank, self._count, found.get("failure"))
        self._noticed.set()
        if not self._over.wait(GRACE):
            # The main thread waits for what will never come, or works on what nobody will use.
            self.leave(self._loss)
            if not self.reported:
                print(self._loss, file=sys.stderr, flush=True)  # noqa: T201  # nobody else can tell it any more
            os._exit(1)


def _read(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(4096):
            found += part
    except OSError:  # reset: the process is gone as well
        return b""
    return found


def _loss(rank: int, count: int, failure: str | None) -> str:
    if failure:
        return f"process {rank} (of 0 to {count - 1}) failed, and all stop: {failure}"
    return (
        f"process {rank} (of 0 to {count - 1}) is gone: it was killed, or its machine cannot be reached. All stop; "
        "saved work stays. Run the same command again to go on."
    )
