"""Out of memory costs time, not mathematics: gradients are those of the whole batch, and resuming is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dianji.engine.microbatches import cut, out_of_memory
from dianji.errors import TrainingError
from tests.engine.conftest import ToyTask
from tests.engine.test_loop import TECHNIQUES, At, Crash, assert_same_bytes, crash

CPU = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"


@dataclass(frozen=True)
class Small(ToyTask):
    """Out of memory above so many rows in one pass, halfway through the backward pass if asked for."""

    most: int = 2
    error: type[Exception] = torch.OutOfMemoryError
    late: bool = False

    def loss(self, model, batch):
        if len(batch["row"]) <= self.most:
            return super().loss(model, batch)
        if not self.late:
            raise self.error(CPU)
        found = super().loss(model, batch)
        hook = found.value.register_hook(self._fail)
        assert hook is not None
        super().loss(model, batch).value.backward()  # some gradients are there by then
        return found

    def _fail(self, gradient):
        raise self.error(CPU)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([1, 2, 4, 8]))
def test_a_division_keeps_every_example_in_order(sizes, division):
    batches = [np.arange(size) + 100 * number for number, size in enumerate(sizes)]
    parts = cut(batches, division)
    assert np.concatenate(parts).tolist() == np.concatenate(batches).tolist()
    assert all(len(part) for part in parts)
    assert max(map(len, parts)) == max(-(-size // division) for size in sizes)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError(CPU), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("out of memory"), False),
    ],
)
def test_which_errors_are_about_memory(error, expected):
    assert out_of_memory(error) is expected


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_mathematics_is_that_of_the_whole_batch(toy, log, error, late, accumulate):
    shared = {"optimizer": "sgd", "batch_size": 8, "accumulate": accumulate, "clip_norm": 0.1}
    toy = toy.but("toy", dropout=0.0, ignored=0.3, train=shared)
    _, whole = toy.but("whole").run()
    trained, halved = toy.but("halved", task=Small(most=3, error=error, late=late)).run(log)
    for name in whole:
        torch.testing.assert_close(halved[name], whole[name], rtol=0, atol=1e-6)
    assert trained.samples == 48
    assert [told for told in log.warned if "out of memory" in told] == log.warned
    assert len(log.warned) == 2  # 8 -> 4 -> 2, and never again
    assert "taken in 4 parts" in log.warned[-1]


@pytest.mark.parametrize("step", range(1, 6))
def test_it_resumes_exactly(toy, log, step):
    toy = toy.but("whole", train={"batch_size": 8}, task=Small(most=3), techniques=TECHNIQUES)
    _, whole = toy.run()
    broken = toy.but("broken", train={"batch_size": 8, "checkpoint_every": 2})
    with pytest.raises(Crash):
        broken.but("broken", techniques=(*TECHNIQUES, At(step, crash))).run()
    assert_same_bytes(broken.run(log)[1], whole)
    assert bool(log.warned) is (step < 3)  # after that the checkpoint knows


def test_one_example_is_the_end(toy):
    with pytest.raises(TrainingError, match=r"one example .* Use gradient_checkpointing: true, a shorter task length"):
        toy.but("none", task=Small(most=0)).run()


def test_several_processes_are_told_to_halve_it_themselves(toy):
    training = toy.but("several", task=Small(most=3)).training()
    training.micro_batches._processes = 2
    with pytest.raises(TrainingError, match=r"halve train\.batch_size .* double train\.accumulate"):
        training.run()


def test_other_errors_rise(toy):
    @dataclass(frozen=True)
    class Broken(ToyTask):
        def loss(self, model, batch):
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        toy.but("broken", task=Broken()).run()


def test_running_statistics_do_not_see_the_step_that_failed(toy, log):
    @dataclass(frozen=True)
    class Late(Small):
        def loss(self, model, batch):
            found = super().loss(model, batch)
            model.statistics(torch.ones(4, 2) * len(batch["row"]))
            return found

    training = toy.but("norm", task=Late(most=2, late=True), train={"epochs": None, "steps": 1}).training(log)
    training.context.model.add_module("statistics", torch.nn.BatchNorm1d(2, affine=False))
    training.run()
    assert int(training.context.model.statistics.num_batches_tracked) == 2
    assert "batch normalisation" in log.warned[0]
