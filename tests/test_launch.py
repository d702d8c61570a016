"""What launchers say in the environment."""

from __future__ import annotations

import pytest

from dianji.errors import CapabilityError
from dianji.launch import Launch, launch, lonely, refuse_several

TORCHRUN = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
WHERE = {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}


def test_torchrun_is_understood():
    assert launch({**TORCHRUN, **WHERE}) == Launch(rank=3, count=4, local_rank=1, local_count=2)


def test_by_hand_two_variables_and_an_address_are_enough():
    assert launch({"WORLD_SIZE": "2", "RANK": "0", **WHERE}) == Launch(count=2, local_count=2)


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": "8"}, {"RANK": "0"}])
def test_one_process_is_one_process(environment):
    assert launch(environment) == Launch()


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_fsdp_is_asked_for_as_accelerate_does(value, expected):
    assert launch({**TORCHRUN, **WHERE, "ACCELERATE_USE_FSDP": value}).sharded is expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({**TORCHRUN, "MASTER_ADDR": "here"}, "WORLD_SIZE is 4, but MASTER_PORT is not set. Start them with: torchrun"),
        ({**TORCHRUN, **WHERE, "RANK": "4"}, "RANK is 4, expected a number from 0 to 3"),
        ({**TORCHRUN, **WHERE, "WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', expected a whole number"),
    ],
)
def test_what_cannot_be_is_refused(environment, message):
    with pytest.raises(CapabilityError, match=message):
        launch(environment)


def test_only_the_first_process_writes():
    assert Launch().main
    assert not Launch(rank=1, count=2).main


def test_what_works_in_one_process_says_so(monkeypatch):
    refuse_several("A comparison")
    for name, value in {**TORCHRUN, **WHERE}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CapabilityError, match="A comparison works in one process, and 4 were started"):
        refuse_several("A comparison")


def test_who_asked_accelerate_for_several_and_got_one_is_told():
    asked = {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"}
    assert "torchrun --nproc-per-node" in (lonely(asked) or "")
    assert lonely({**asked, "WORLD_SIZE": "2"}) is None
    assert lonely({"ACCELERATE_USE_CPU": "True"}) is None
