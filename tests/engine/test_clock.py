"""Every second belongs to exactly one phase, however phases lie within each other."""

from __future__ import annotations

import pytest

from dianji.engine.clock import Clock


class Hands:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def clock(hands):
    return Clock(now=hands)


def test_phases_add_up_to_the_age(clock, hands):
    hands.at = 1.0
    with clock.phase("forward"):
        hands.at = 3.0
    hands.at = 3.5
    with clock.phase("forward"):
        hands.at = 4.5
    hands.at = 6.0
    assert clock.seconds == {"forward": 3.0, "other": 3.0}


def test_the_inner_phase_is_not_counted_to_the_outer_one(clock, hands):
    with clock.phase("evaluation"):
        hands.at = 1.0
        with clock.phase("data"):
            hands.at = 3.0
        hands.at = 7.0
    assert clock.seconds == {"data": 2.0, "evaluation": 5.0, "other": 0.0}


def test_an_open_phase_is_told_up_to_now(clock, hands):
    with clock.phase("backward"):
        hands.at = 2.0
        assert clock.seconds == {"backward": 2.0, "other": 0.0}


def test_what_fails_is_counted_and_left(clock, hands):
    def fail():
        with clock.phase("forward"), clock.phase("data"):
            hands.at = 2.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    hands.at = 5.0
    assert clock.seconds == {"data": 2.0, "forward": 0.0, "other": 3.0}


def test_the_device_is_waited_for_at_both_ends(hands):
    waited = []
    clock = Clock(lambda: waited.append(hands.at), hands)
    with clock.phase("forward"):
        hands.at = 1.0
    assert waited == [0.0, 1.0]
