"""Joins a process to the others of its launch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dianji.engine.processes import ALONE, Processes
from dianji.launch import launch


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that a launcher started, for the work in the block; without a launcher, this process alone.

    Raises:
        CapabilityError: the launcher's variables are incomplete, or the processes cannot reach each other.
    """
    found = launch()
    if found.count == 1:
        yield ALONE
        return
    from dianji.engine.collective import collective  # which imports what only several processes need

    with collective(found) as processes:
        yield processes
