"""The step store: to do, interrupted, done; one process at a time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from dianji.errors import StoreError
from dianji.store.steps import Store

HOLD = """
import sys, time
from pathlib import Path
from dianji.store.steps import Store
with Store(Path(sys.argv[1])).step("abc").locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def step(store):
    return store.step("abc")


@pytest.fixture
def holder(store):
    """A second process that holds the step."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(store.home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_step_goes_from_to_do_over_interrupted_to_done(step):
    states = [step.state]
    step.begin({"seed": 7})
    states.append(step.state)
    for name in ("checkpoint", "base", "adapter"):
        (step.folder / name).mkdir()
    step.finish({"accuracy": 0.9})
    states.append(step.state)
    assert states == ["to do", "interrupted", "done"]
    assert step.metrics() == {"accuracy": 0.9}
    assert sorted(path.name for path in step.folder.iterdir()) == ["DONE", "metrics.json", "spec.json"]


def test_forgetting_makes_it_to_do_again(step):
    step.begin({})
    step.artefact.mkdir()
    step.finish({})
    step.forget()
    assert step.state == "to do"
    assert not step.artefact.exists()
    step.forget()  # a step that was never begun may be forgotten too


def test_a_kill_before_done_is_an_interruption(step, monkeypatch):
    step.begin({})

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("dianji.store.steps.write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        step.finish({"accuracy": 0.9})
    assert step.state == "interrupted"


def test_beginning_sweeps_what_a_kill_left_half_written(step):
    for name in (".artefact.x1", ".base.x2"):
        (step.folder / name).mkdir(parents=True)
    (step.folder / ".spec.json.x3").touch()
    step.checkpoints.mkdir()
    (step.checkpoints / ".0000000003.x4").mkdir()
    (step.checkpoints / "0000000002").mkdir()
    step.begin({})
    assert sorted(path.relative_to(step.folder).as_posix() for path in step.folder.rglob("*")) == [
        "checkpoint",
        "checkpoint/0000000002",
        "spec.json",
    ]


def test_damaged_metrics_are_told(step):
    step.begin({})
    step.finish({})
    (step.folder / "metrics.json").write_text("{")
    with pytest.raises(StoreError, match=r"metrics\.json: cannot be read .* --again"):
        step.metrics()


def test_the_default_store_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "elsewhere"))
    assert Store.default().home == tmp_path / "elsewhere"
    monkeypatch.delenv("DIANJI_HOME")
    monkeypatch.chdir(tmp_path)
    assert Store.default().home == tmp_path / ".dianji"


class TestLock:
    def test_a_second_process_is_told_who_holds_it(self, step, holder):
        with (
            pytest.raises(StoreError, match=rf"another process \(process {holder.pid}\) is working on this step"),
            step.locked(),
        ):
            pass

    def test_a_kill_gives_it_back(self, step, holder):
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with step.locked():
            assert (step.folder / "holder").read_text() == str(os.getpid())

    def test_other_steps_are_free(self, store, holder):
        with store.step("other").locked():
            pass

    def test_it_is_given_back_after_an_error(self, step):
        with pytest.raises(ZeroDivisionError), step.locked():
            raise ZeroDivisionError
        with step.locked():
            pass

    @pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
    def test_a_read_only_store_is_told(self, step, monkeypatch, number):
        def refuse(*arguments, **options):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(FileLock, "acquire", refuse)
        began = time.monotonic()
        with (
            pytest.raises(StoreError, match=r"cannot be written .* Make the folder writable, or set DIANJI_HOME"),
            step.locked(),
        ):
            pass
        assert time.monotonic() - began < 1


def test_what_a_kill_left_of_a_finished_step_is_swept(tmp_path):
    """It may come between ``DONE`` and the end of tidying up."""
    step = Store(tmp_path).step("0" * 32)
    (step.folder / "checkpoint").mkdir(parents=True)
    (step.folder / "checkpoint" / "step-3").write_text("", encoding="utf-8")
    (step.folder / "artefact").mkdir()
    step.sweep()
    assert [path.name for path in step.folder.iterdir()] == ["artefact"]
