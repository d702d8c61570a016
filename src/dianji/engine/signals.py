"""Ctrl-C and SIGTERM: noted, so that the loop can end at a step's boundary with everything saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Signals:
    """``came`` is the name of the first signal that arrived inside ``watched``; a second one ends the work at once."""

    def __init__(self, echo: float = 0.0) -> None:
        self.came: str | None = None
        self._echo = echo  # seconds in which a launcher may hand on the signal that has come already
        self._when = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take over SIGINT and SIGTERM; outside the main thread, where Python forbids it, nothing is taken over."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.came:
            self.came, self._when = signal.Signals(number).name, time.monotonic()
        elif time.monotonic() - self._when >= self._echo:
            signal.default_int_handler(number, frame)
