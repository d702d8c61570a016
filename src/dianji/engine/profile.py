"""``dianji run --profile``: the time of a stage by phases, and a trace of some of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerAction, ProfilerActivity, profile, record_function

from dianji.engine.clock import Clock
from dianji.store.atomic import translated, write_json

TRACE, TIME = "trace.json", "time.json"
#: Optimiser steps before the profiler warms up for one more, and steps in the trace.
BEFORE, TRACED = 1, 5


@contextmanager
def clocked(folder: Path | None) -> Iterator[Clock]:
    """A clock for one stage. With a folder, ``time.json`` and ``trace.json`` are written there, however the work ends.

    Both cover this process: a resumed stage reports its work since the resumption.
    """
    if folder is None:
        yield Clock()
        return
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (TRACE, TIME):
            (folder / name).unlink(missing_ok=True)
    clock = Traced(folder / TRACE)
    try:
        yield clock
    finally:
        clock.stop()
        write_json(folder / TIME, {"steps": clock.steps, "seconds": clock.seconds})


class Traced(Clock):
    """A clock that waits for the device, and records what torch does in a few steps, in Chrome's trace format."""

    def __init__(self, trace: Path) -> None:
        super().__init__(torch.cuda.synchronize if torch.cuda.is_available() else None)
        self._trace = trace
        self._profile: profile | None = None
        self._labels: list[record_function] = []

    def step(self) -> None:
        """Begin, follow or end the trace."""
        super().step()
        if self.steps == BEFORE:
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            self._profile = profile(
                activities=activities, schedule=_action, on_trace_ready=self._write, acc_events=True
            )
            self._profile.start()
        elif self.steps == BEFORE + 1 + TRACED:
            self.stop()
        elif self._profile is not None:
            self._profile.step()

    def stop(self) -> None:
        """End the trace, also before all of its steps are done."""
        if self._profile is not None:
            running, self._profile = self._profile, None
            running.stop()

    def _enter(self, name: str) -> None:
        """Phases are named in the trace."""
        super()._enter(name)
        label = record_function(name)
        label.__enter__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._labels.append(label)

    def _leave(self) -> None:
        self._labels.pop().__exit__(None, None, None)
        super()._leave()

    def _write(self, recorded: profile) -> None:
        if self.steps < BEFORE + 2:
            return  # not one whole step
        partial = self._trace.with_suffix(".partial")
        with translated(self._trace):
            recorded.export_chrome_trace(str(partial))
            partial.replace(self._trace)


def _action(step: int) -> ProfilerAction:
    """Record until the profiler is stopped."""
    return ProfilerAction.RECORD if step else ProfilerAction.WARMUP
