"""Progress of long work: a bar on a terminal, an occasional line elsewhere. On stderr, apart from results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from dianji.reporting import Meter, Reporter, Silent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds between two lines, if a tenth of the work was done meanwhile …
OFTEN = 10.0
#: … and in any case.
SELDOM = 120.0


def reporter(*, silent: bool) -> Reporter:
    """The reporter that fits where stderr goes."""
    if silent:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class Lines:
    """Plain lines, for logs."""

    def say(self, message: str) -> None:
        """One line."""
        print(message, file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """One line that stands out."""
        print(f"warning: {message}", file=sys.stderr, flush=True)

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        """A line at most every ten seconds, and one at the end of work that took at least a second."""
        meter = _LineMeter(self, title, total, unit, done)
        yield meter
        meter.end()


@dataclass
class _LineMeter:
    lines: Lines
    title: str
    total: int | None
    unit: str
    done: int
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = self.done
        self.shown = self.done
        self.began = self.shown_at = monotonic()

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.done += amount
        self.figures.update(figures)
        if self.done == self.total:
            return  # the end has a line of its own
        quiet_for = monotonic() - self.shown_at
        much = self.total is None or self.done - self.shown >= self.total / 10
        if quiet_for >= SELDOM or (quiet_for >= OFTEN and much):
            self._tell(left=True)

    def end(self) -> None:
        if self.done > self.shown and monotonic() - self.began >= 1.0:
            self._tell(left=False)

    def _tell(self, *, left: bool) -> None:
        self.shown, self.shown_at = self.done, monotonic()
        seconds = self.shown_at - self.began
        speed = (self.done - self.first) / seconds if seconds else 0.0
        share = f" of {self.total:,} ({self.done / self.total:.0%})" if self.total else ""
        parts = [
            f"{self.title}: {self.done:,}{share} {self.unit}",
            *_figures(self.figures),
            f"{speed:,.1f} {self.unit}/s",
        ]
        if left and self.total and speed:
            parts.append(f"{clock((self.total - self.done) / speed)} left")
        elif not left:
            parts.append(f"in {clock(seconds)}")
        self.lines.say(", ".join(parts))


class Bars:
    """Bars with figures, throughput and the time left; messages scroll above them."""

    def __init__(self) -> None:
        self._progress = _progress()
        self._open = 0

    def say(self, message: str) -> None:
        """One line."""
        self._progress.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def warn(self, message: str) -> None:
        """One line that stands out."""
        self._progress.console.print(
            f"warning: {message}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )

    @contextmanager
    def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Meter]:
        """A bar that goes when the work is done; a bar within a bar stands below it."""
        task = self._progress.add_task(title, total=total, completed=done, unit=unit, figures="")
        self._open += 1
        self._progress.start()
        try:
            yield _BarMeter(self._progress, task)
        finally:
            self._open -= 1
            self._progress.remove_task(task)
            if not self._open:
                self._progress.stop()


@dataclass
class _BarMeter:
    progress: Progress
    task: TaskID

    def advance(self, amount: int = 1, **figures: float) -> None:
        if figures:
            self.progress.update(self.task, advance=amount, figures=", ".join(_figures(figures)))
        else:
            self.progress.update(self.task, advance=amount)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """The rate alone, where the total is unknown."""

        def render(self, task: Task) -> Text:
            known = task.total is not None or not task.speed
            return Text("" if known else f"{task.speed:,.0f} {task.fields['unit']}/s")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TextColumn("{task.fields[figures]}", markup=False),
        Rate(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,  # drawing takes time from the work
    )


def _figures(figures: dict[str, float]) -> list[str]:
    """``{"loss": 0.5, "samples_per_second": 412.0}`` -> ``["loss 0.5", "412 samples/s"]``."""
    parts = []
    for name, value in figures.items():
        noun, _, per = name.partition("_per_")
        parts.append(f"{value:,.0f} {noun}/{per[0]}" if per else f"{name.replace('_', ' ')} {value:.4g}")
    return parts


def clock(seconds: float) -> str:
    """``4:05``, ``1:02:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
