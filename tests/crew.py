"""Processes that work together, forked from one that has imported everything: as if each were started by hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

#: What one process of several does; what it gives back is plain JSON.
Work = Callable[[], Any]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: by that signal), what it gave back, what it said on stderr."""

    code: int
    value: Any
    said: str
    seconds: float


def crew(works: Sequence[Work], *, sharded: bool = False, within: float = 600.0) -> list[Ended]:
    """Run each work in a process of its own, all of them together; those that do not end in time are killed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        environment = {"WORLD_SIZE": str(len(works)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        if sharded:
            environment["ACCELERATE_USE_FSDP"] = "true"
        ranks: dict[int, int] = {}
        for rank, work in enumerate(works):
            child = os.fork()
            if child == 0:
                os.environ |= {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                _work(work, folder / str(rank))
            ranks[child] = rank
        codes: dict[int, tuple[int, float]] = {}
        while len(codes) < len(works):
            child, status = os.waitpid(-1, os.WNOHANG)
            if child in ranks:
                codes[ranks[child]] = os.waitstatus_to_exitcode(status), time.monotonic() - began
            elif time.monotonic() - began > within:
                for left in ranks.keys() - {pid for pid, rank in ranks.items() if rank in codes}:
                    os.kill(left, signal.SIGALRM)
            time.sleep(0.01)
        return [_ended(folder / str(rank), *codes[rank]) for rank in range(len(works))]


def _work(work: Work, place: Path) -> NoReturn:
    """The child."""
    code = 1
    try:
        errors = os.open(place.with_suffix(".err"), os.O_WRONLY | os.O_CREAT)
        os.dup2(errors, 2)
        sys.stderr = os.fdopen(errors, "w", buffering=1)
        place.with_suffix(".json").write_text(json.dumps(work()), encoding="utf-8")
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException as error:  # noqa: BLE001  # told to whoever asked for the work
        print(f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()), file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _ended(place: Path, code: int, seconds: float) -> Ended:
    value = place.with_suffix(".json")
    found = json.loads(value.read_text(encoding="utf-8")) if value.exists() else None
    return Ended(code, found, place.with_suffix(".err").read_text(encoding="utf-8"), seconds)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
