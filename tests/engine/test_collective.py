"""Several processes train as one: the same losses and weights, exact resume, and no one waits for a lost one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dianji.kernels.native import library
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked from one that has the imports")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """What came of each case in ``tests/engine/collective.py``: one entry per process."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "tests.engine.collective", str(folder)]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(cases, name):
    """What each process of a case gave back."""
    assert [one["code"] for one in cases[name]] == [0] * len(cases[name]), cases[name]
    return [one["value"] for one in cases[name]]


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # Sums over processes and two AdamWs (torch's for divided weights) round differently, and where a gradient is
        # nearly nothing Adam divides rounding by rounding: a thousandth of one step (rate 0.01) is allowed.
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("alone", "two"),
        ("alone, accumulating", "three, accumulating"),
        ("alone, accumulating", "two that share the weights"),
        ("coupled alone", "coupled two"),
        ("coupled alone", "coupled, more than rows"),
        ("coupled alone", "coupled, two that share the weights"),
    ],
)
def test_several_learn_what_one_learns(cases, one, several):
    (expected,), found = values(cases, one), values(cases, several)
    assert_close(found[0]["weights"], expected["weights"])
    assert {(one["steps"], one["samples"]) for one in found} == {(expected["steps"], expected["samples"])}
    told, telling = found[0]["events"], expected["events"]
    assert [(event["event"], event["step"]) for event in told] == [(event["event"], event["step"]) for event in telling]
    for event, other in zip(told, telling, strict=True):
        assert_close(
            {key: event[key] for key in event.keys() - {"event"}}, {key: other[key] for key in other.keys() - {"event"}}
        )


@pytest.mark.parametrize("case", ["two", "three, accumulating", "undisturbed"])
def test_all_have_the_same_weights(cases, case):
    first, *others = values(cases, case)
    assert all(other["weights"] == first["weights"] for other in others)


def test_who_shared_the_weights_leaves_a_plain_model_to_the_main_process(cases):
    main, other = values(cases, "two that share the weights")
    assert main["kind"] == other["kind"] == "ToyModel"
    assert len(main["weights"]) == 7
    assert other["weights"] == {}


@pytest.mark.parametrize(
    ("undisturbed", "resumed"), [("undisturbed", "resumed"), ("sharing undisturbed", "sharing resumed")]
)
def test_a_resumed_run_ends_in_the_same_bytes(cases, undisturbed, resumed):
    expected, found = values(cases, undisturbed)[0], values(cases, resumed)[0]
    assert found["weights"] == expected["weights"]
    assert found["events"] == expected["events"]
    assert found["warned"] == []


@pytest.mark.parametrize("case", ["resumed alone", "shared, resumed alone"])
def test_another_number_of_processes_goes_on_with_a_warning(cases, case):
    (found,) = values(cases, case)
    assert found["steps"] == values(cases, "undisturbed")[0]["steps"]
    (warning,) = found["warned"]
    assert "2 processes" in warning
    alone = ", compiled kernels, kernels " if library.available() else ":"
    assert f"and goes on with cpu, fp32, 1 threads{alone}" in warning
    assert "not equal to the bit" in warning


def test_a_budget_in_minutes_ends_all_at_the_same_step_and_gives_them_the_same_rates(cases):
    quick, slow = values(cases, "budget")
    assert quick["steps"] == slow["steps"] > 1
    assert quick["weights"] == slow["weights"]


def test_no_event_is_written_twice(cases):
    steps = [event["step"] for event in values(cases, "two")[0]["events"] if event["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))


def test_what_processes_say_to_each_other(cases):
    main, other = values(cases, "talk")
    assert (main.pop("seen"), other.pop("seen")) == ([], ["rank-0"])
    assert main == other
    assert main["from main"] == {"value": [1.5, float("inf"), "ö"]}
    assert main["any"] == [True, False]
    assert main["total"] == [3, 1.0]
    assert main["slowest"] == 1.0
    assert "step 0 in one and 1 in another" in main["refused"]


def test_a_gradient_that_some_process_has_is_summed_and_one_that_none_has_stays_away(cases):
    for one in values(cases, "talk"):
        assert one["gradients"] == [[1.0, 1.0], None, [[3.0, 3.0]] * 3]


def test_running_statistics_and_first_weights_are_those_of_the_main_process(cases):
    main, other = values(cases, "statistics")
    assert main == other == pytest.approx([0.15, 0.15])
    assert values(cases, "weights") == [[0.0, 0.0]] * 2


@pytest.mark.parametrize(("case", "lost"), [("main lost", 0), ("other lost", 1), ("lost while working", 1)])
def test_a_lost_process_ends_the_others(cases, case, lost):
    left = cases[case][1 - lost]
    assert cases[case][lost]["code"] == -9
    assert left["code"] == 1
    assert left["seconds"] < 30
    assert f"process {lost} (of 0 to 1) is gone" in left["said"]
    assert "Run the same command again to go on" in left["said"]


@pytest.mark.parametrize(("case", "failed"), [("main failed", 0), ("other failed", 1)])
def test_a_failure_is_told_by_the_main_process(cases, case, failed):
    main, other = cases[case]
    assert (main["code"], other["code"]) == (1, 1)
    assert "the disk is full" in main["said"]
    assert "Process 0 tells this." not in main["said"]
    assert "Process 0 tells this." in other["said"]
    assert f"process {failed} (of 0 to 1) failed" in cases[case][1 - failed]["said"]
