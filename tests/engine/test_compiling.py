"""Compiled is eager, its time is told apart, and a measurement decides only where it was asked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from dianji.engine.clock import Clock
from dianji.engine.compiling import LEAST_LEFT, TIMED, WARM, WARM_COMPILED, Compilation
from dianji.engine.dropout import cheap_dropout
from dianji.engine.state import Position
from dianji.techniques.base import Progress
from tests.engine.test_loop import At, Crash, assert_same_bytes, crash

#: What torch's own modules do when its compiler is imported.
IMPORTING = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@pytest.mark.slow
@IMPORTING
def test_compiled_is_eager_and_resumes(toy, log):
    toy = toy.but("toy", dropout=0.0, train={"checkpoint_every": 2})
    _, eager = toy.but("eager").run()
    compiled = toy.but("compiled", train={"compile": "on", "checkpoint_every": 2})
    with pytest.raises(Crash):
        compiled.but("compiled", techniques=(At(7, crash),)).run()
    torch.compiler.reset()  # as a process that resumes
    training = compiled.training(log)
    trained = training.run()
    for name, weight in training.context.model.state_dict().items():
        torch.testing.assert_close(weight, eager[name], rtol=0, atol=1e-5)
    assert trained.compile_seconds > 0
    assert training.context.clock.seconds["compile"] > 0
    assert any("compiling took" in told for told in log.said)
    assert training.context.model._compiled_call_impl is None
    newest = max((compiled.folder / "checkpoint").iterdir())
    assert not [name for name in load_file(newest / "state.safetensors") if "_orig_mod" in name]
    torch.compiler.reset()
    _, whole = toy.but("whole", train={"compile": "on"}).run()
    assert_same_bytes(training.context.model.state_dict(), whole)


@pytest.mark.slow
@IMPORTING
def test_compiled_dropout_is_drawn_anew_and_repeats():
    layer = torch.nn.Dropout(0.5)
    layer.compile(dynamic=True)
    with cheap_dropout():
        torch.manual_seed(0)
        first, second = layer(torch.ones(1000)), layer(torch.ones(1000))
        torch.manual_seed(0)
        again = layer(torch.ones(1000))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert 400 < int((first == 0).sum()) < 600


@pytest.mark.slow
def test_without_a_compiler_it_says_what_to_install(tmp_path):
    program = (
        "import torch\n"
        "from dianji.engine.compiling import require_compiler\nfrom dianji.errors import CapabilityError\n"
        "try:\n    require_compiler(torch.device('cpu'))\nexcept CapabilityError as error:\n    print(error)\n"
    )
    nowhere = {"PATH": str(tmp_path), "CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **nowhere}, capture_output=True, text=True, check=True
    )
    assert "train.compile: on, but torch cannot compile here" in done.stdout
    assert "Install a C++ compiler and Python's headers" in done.stdout
    assert "or say compile: off" in done.stdout


class Layer(torch.nn.Linear):
    """Says that it is on a GPU, and counts how often it is compiled."""

    compiled = 0

    def parameters(self, recurse=True):
        yield torch.empty(0, device="meta")

    def compile(self, *arguments, **options):
        self.compiled += 1
        self._compiled_call_impl = self._call_impl


@pytest.fixture
def measured(log, monkeypatch):
    monkeypatch.setattr(Compilation, "_device", torch.device("cuda"))

    def measure(*, steps: int, eager: float, compiled: float):
        progress, position = Progress(Layer(2, 2), 0, steps), Position()
        compilation = Compilation("auto", progress, position, log, Clock())
        for progress.step in range(1, min(steps, 60)):
            seconds = compiled if progress.model._compiled_call_impl else eager
            compilation.after_step(seconds, tokens=100)
        return progress.model, position

    return measure


def test_a_short_run_stays_eager(measured, log):
    model, position = measured(steps=1000, eager=LEAST_LEFT / 2000, compiled=0.0)
    assert position.compiled is False
    assert model.compiled == 0
    assert "compile: off from here, since 1" in log.said[0]


@pytest.mark.parametrize(("compiled", "kept"), [(0.8, True), (0.99, False), (1.5, False)])
def test_a_long_run_keeps_what_is_faster(measured, log, compiled, kept):
    model, position = measured(steps=100_000, eager=1.0, compiled=compiled)
    assert model.compiled == 1
    assert position.compiled is kept
    assert (model._compiled_call_impl is not None) is kept
    assert f"a compiled step takes {compiled:.0%} of an eager one" in log.said[0]
    assert "may differ in the last place" in log.said[0]


def test_it_takes_so_many_steps_to_decide(measured):
    assert measured(steps=WARM + TIMED, eager=1e4, compiled=1.0)[1].compiled is None
    assert WARM + TIMED + WARM_COMPILED + TIMED < 60


def test_a_wall_clock_budget_is_left_alone(measured):
    assert measured(steps=0, eager=1.0, compiled=0.1)[1].compiled is None


def test_on_a_cpu_auto_is_off(toy):
    training = toy.but("auto", train={"epochs": None, "steps": 40}).training()
    training.compilation._on_step = None
    training.run()
    assert training.context.position.compiled is None
    assert "torch._dynamo" not in sys.modules or training.context.position.compile_seconds == 0


def test_wall_clock_budgets_count_compiling():
    assert Position(seconds=3.0, compile_seconds=40.0).spent == 43.0
