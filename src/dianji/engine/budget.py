"""The length of a training: a number of steps, or minutes by the clock."""

from __future__ import annotations

from dataclasses import dataclass

from dianji.engine.state import Position
from dianji.spec.sections import Train
from dianji.techniques.base import Progress

MINUTES_RESOLUTION = 100_000  # a wall-clock budget drives the schedule as so many small steps


@dataclass(frozen=True)
class Budget:
    """Compares the run's position with the recipe's ``steps``, ``epochs`` or ``minutes``."""

    train: Train
    progress: Progress
    position: Position

    def used_up(self) -> bool:
        """Whether the budget is used up or a technique asked for the end."""
        if self.progress.stop_reason:
            return True
        if self.train.minutes is not None:
            return self.position.spent >= self.train.minutes * 60
        return self.progress.step >= self.progress.total_steps

    def when(self) -> tuple[int, int]:
        """(step, total) for the schedule; a wall-clock budget counts as many small steps."""
        if self.train.minutes is None:
            return self.progress.step, self.progress.total_steps
        share = min(1.0, self.position.spent / (self.train.minutes * 60))
        return int(share * MINUTES_RESOLUTION), MINUTES_RESOLUTION
