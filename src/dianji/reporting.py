"""The interface for progress reports. The work reports; the caller decides how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Meter(Protocol):
    """A piece of work with a known or unknown end."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        """``amount`` more units are done; ``figures`` are the current loss and the like."""
        ...


class Reporter(Protocol):
    """Receives plain messages and the progress of long work."""

    def say(self, message: str) -> None:
        """One line that a person may want to read."""
        ...

    def warn(self, message: str) -> None:
        """One line that a person should read."""
        ...

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        """A bar, or lines now and then, from ``done`` to ``total`` (None: unknown) units."""
        ...


class Silent:
    """Says nothing; the default of the Python interface's parts."""

    def say(self, message: str) -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """Nothing."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Nothing."""

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        """Nothing."""
        yield self
