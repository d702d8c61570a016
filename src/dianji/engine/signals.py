"""Ctrl-C and SIGTERM: remembered, so that the loop can end at a step's boundary with everything saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Signals:
    """``came`` is the name of the first signal that arrived inside ``watched``; a second one ends the work at once."""

    def __init__(self) -> None:
        self.came: str | None = None

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
        if self.came:
            signal.default_int_handler(number, frame)
        self.came = signal.Signals(number).name
