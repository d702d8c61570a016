"""What a process and its helpers take of the memory, as the system tells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def peak_mb() -> float:
    """VmHWM of this process."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


class Sample:
    """The most memory that children of this process held together, looked at twice a second."""

    def __init__(self) -> None:
        self.highest, self.over = 0.0, threading.Event()

    def watch(self) -> None:
        import psutil

        me = psutil.Process()
        while not self.over.wait(0.5):
            held = 0.0
            for child in me.children(recursive=True):
                try:
                    held += child.memory_info().rss / 2**20
                except psutil.NoSuchProcess:
                    continue
            self.highest = max(self.highest, held)


@contextmanager
def sampled() -> Iterator[Sample]:
    sample = Sample()
    watcher = threading.Thread(target=sample.watch, daemon=True)
    watcher.start()
    try:
        yield sample
    finally:
        sample.over.set()
        watcher.join()
