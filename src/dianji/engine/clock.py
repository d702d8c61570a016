"""Measures the time of a stage by phases."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

#: In the order of reports. ``other`` is the rest of the whole.
PHASES = ("prepare", "data", "forward", "backward", "optimiser", "compile", "evaluation", "checkpoint", "finish")
OTHER = "other"


class Clock:
    """Phases may be nested: the time of the inner one is not counted to the outer one, so that all add up.

    Entering and leaving a phase takes two microseconds, so a clock always runs. On a GPU, where work is handed over and
    done later, a phase measures the hand-over, unless ``settle`` waits for the device.
    """

    def __init__(self, settle: Callable[[], None] | None = None, now: Callable[[], float] = time.perf_counter) -> None:
        self._settle = settle
        self._now = now
        self._began = self._since = now()
        self.steps = 0
        self._open: list[str] = []
        self._spent: dict[str, float] = {}

    def phase(self, name: str) -> _Phase:
        """``with clock.phase("forward"): …``."""
        return _Phase(self, name)

    def step(self) -> None:
        """An optimiser step is over."""
        self.steps += 1

    @property
    def seconds(self) -> dict[str, float]:
        """Phase -> seconds until now, in the order of ``PHASES``; ``other`` last. They add up to the clock's age."""
        now = self._now()
        spent = dict(self._spent)
        if self._open:
            spent[self._open[-1]] = spent.get(self._open[-1], 0.0) + now - self._since
        named = {name: spent[name] for name in (*PHASES, *sorted(set(spent) - set(PHASES))) if name in spent}
        return {**named, OTHER: max(0.0, now - self._began - sum(named.values()))}

    def _enter(self, name: str) -> None:
        self._charge()
        self._open.append(name)

    def _leave(self) -> None:
        self._charge()
        self._open.pop()

    def _charge(self) -> None:
        """Add the time since the last change of phase to the innermost open one."""
        if self._settle is not None:
            self._settle()
        now = self._now()
        if self._open:
            self._spent[self._open[-1]] = self._spent.get(self._open[-1], 0.0) + now - self._since
        self._since = now


class _Phase:
    """A context manager; a generator would cost as much again."""

    __slots__ = ("_clock", "_name")

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name

    def __enter__(self) -> None:
        self._clock._enter(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock._leave()
