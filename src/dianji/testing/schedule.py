"""The contract of a schedule."""

from __future__ import annotations

from typing import ClassVar

import pytest

from dianji.engine.schedules import Schedule
from dianji.testing.component import ComponentContract

LENGTHS = (1, 2, 3, 10, 97)


class ScheduleContract(ComponentContract):
    """``component`` is a schedule that climbs and then never rises again; override ``falls`` if yours does."""

    kind: ClassVar[str] = "schedule"
    falls: ClassVar[bool] = True

    def schedule(self, warmup: float | None = None) -> Schedule:
        """The component with its own warm-up, or with the one given."""
        arguments = dict(self.arguments) if warmup is None else {**self.arguments, "warmup": warmup}
        made: Schedule = self.component(**arguments)
        return made

    @pytest.mark.parametrize("total", LENGTHS)
    @pytest.mark.parametrize("warmup", [None, 0.0, 0.5, 1.0])
    def test_is_a_fraction_of_the_peak_and_wastes_no_step(self, total: int, warmup: float | None) -> None:
        factors = [self.schedule(warmup).factor(step, total) for step in range(total)]
        assert all(isinstance(factor, float) and 0 < factor <= 1 for factor in factors), factors

    @pytest.mark.parametrize("total", LENGTHS)
    def test_stays_a_fraction_beyond_the_end(self, total: int) -> None:
        beyond = [self.schedule().factor(step, total) for step in (total, total + 1, 2 * total)]
        assert all(0 <= factor <= 1 for factor in beyond)
        assert len(set(beyond)) == 1

    def test_starts_at_the_peak_without_warmup(self) -> None:
        assert self.schedule(0.0).factor(0, 100) == 1.0

    def test_climbs_in_a_line_to_the_peak(self) -> None:
        schedule = self.schedule(0.1)
        climb = [schedule.factor(step, 100) for step in range(11)]
        assert climb == pytest.approx([(step + 1) / 11 for step in range(11)])

    def test_never_rises_after_the_peak(self) -> None:
        factors = [self.schedule(0.1).factor(step, 100) for step in range(10, 100)]
        assert not self.falls or factors == sorted(factors, reverse=True)
