"""A profiled run leaves a table that adds up and a trace that can be read, and learns what any other run learns."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from dianji.engine import profile
from dianji.engine.loop import Interrupted
from dianji.engine.profile import clocked
from dianji.store.steps import StepFolder


def run(toy, folder):
    """Seconds that it took, and the weights."""
    began = time.perf_counter()
    with clocked(folder) as clock:
        training = toy.training()
        training.context.clock = clock
        training.run()
        took = time.perf_counter() - began
    return took, training.context.model.state_dict()


def profile_in(folder):
    told = StepFolder(folder).profile()
    assert told is not None
    return told


def test_the_phases_are_there_and_add_up(toy, tmp_path):
    took, weights = run(toy, tmp_path / "profile")
    told = profile_in(tmp_path)
    assert list(told["seconds"]) == [
        "data",
        "forward",
        "backward",
        "optimiser",
        "evaluation",
        "checkpoint",
        "other",
    ]
    assert all(spent > 0 for spent in told["seconds"].values())
    assert sum(told["seconds"].values()) == pytest.approx(took, rel=0.1)
    assert told["steps"] == 12
    _, plain = toy.but("plain").run()
    assert all(torch.equal(weights[name], plain[name]) for name in plain)


def test_the_trace_names_phases_and_operators(toy, tmp_path):
    run(toy, tmp_path / "profile")
    told = profile_in(tmp_path)
    events = json.loads(Path(told["trace"]).read_text(encoding="utf-8"))["traceEvents"]
    names = [event.get("name", "") for event in events]
    assert {"forward", "backward", "optimiser", "data", "aten::addmm"} <= set(names)
    assert len({name for name in names if name.startswith("ProfilerStep#")}) == profile.TRACED


@pytest.mark.parametrize(("steps", "traced"), [(1, False), (2, False), (3, True)])
def test_a_short_run_has_a_table_and_maybe_a_trace(toy, tmp_path, steps, traced):
    run(toy.but("short", train={"epochs": None, "steps": steps}), tmp_path / "profile")
    told = profile_in(tmp_path)
    assert told["steps"] == steps
    assert (told["trace"] is not None) is traced


def test_an_interrupted_run_tells_what_it_did(toy, tmp_path):
    class Stop:
        order = 100

        def start(self, progress):
            from dianji.techniques.base import Listener

            class At(Listener):
                def after_step(self, progress):
                    if progress.step == 4:
                        os.kill(os.getpid(), signal.SIGINT)

            return At()

    with pytest.raises(Interrupted):
        run(toy.but("stopped", techniques=(Stop(),)), tmp_path / "profile")
    told = profile_in(tmp_path)
    assert told["steps"] == 4
    assert told["seconds"]["checkpoint"] > 0
    assert json.loads((tmp_path / "profile/trace.json").read_text())["traceEvents"]


def test_without_a_folder_nothing_is_written(toy, tmp_path):
    run(toy, None)
    assert StepFolder(tmp_path).profile() is None


def test_an_older_profile_is_not_taken_for_this_ones(tmp_path):
    step = StepFolder(tmp_path)
    step.profiles.mkdir()
    (step.profiles / "trace.json").write_text("{}")
    with clocked(step.profiles):
        pass
    told = step.profile()
    assert told is not None
    assert told["trace"] is None
