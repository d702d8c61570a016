"""8-bit moments: near to AdamW's, a quarter of the bytes, and in a checkpoint as plain tensors."""

from __future__ import annotations

import sys

import pytest
import torch

from dianji.engine import checkpoint
from dianji.engine.checkpoint import Snapshot
from dianji.engine.optimizers import AdamW, AdamW8bit
from dianji.errors import CapabilityError


def run(component, steps, *, pause=None):
    """A large matrix, a small one and a bias after so many steps; ``pause`` gets the optimizer after the third."""
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((64, 128), (5, 3), (128,))]
    optimizer = component.build([{"params": weights, "lr": 0.01, "weight_decay": 0.1}])
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator) + 0.5
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 20)
        optimizer.step()
        if pause is not None and step == 2:
            optimizer = pause(optimizer, weights)
    return optimizer, weights


def test_without_torchao_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    monkeypatch.delitem(sys.modules, "dianji.engine.eight_bit", raising=False)
    with pytest.raises(CapabilityError, match=r'pip install "dianji\[memory\]"`, or use adamw'):
        run(AdamW8bit(), 1)


@pytest.fixture
def eight():
    pytest.importorskip("torchao")
    return AdamW8bit()


def test_is_near_to_adamw(eight):
    _, found = run(eight, 10)
    _, expected = run(AdamW(), 10)
    for weight, other in zip(found, expected, strict=True):
        assert (weight - other).abs().mean() < 0.02 * 10 * 0.01  # of what ten steps can move a weight


def test_large_moments_take_a_byte_each(eight):
    optimizer, weights = run(eight, 1)
    tensors, _ = checkpoint.pack_optimizer(optimizer)
    large = sum(tensor.nbytes for name, tensor in tensors.items() if name.startswith("0/"))
    assert large < 0.3 * 2 * weights[0].nbytes
    assert all(type(tensor) is torch.Tensor for tensor in tensors.values())


def test_goes_on_from_a_checkpoint_to_the_bit(eight, tmp_path):
    def saved_and_read(optimizer, weights):
        snapshot = Snapshot()
        snapshot.add("optimizer", *checkpoint.pack_optimizer(optimizer))
        checkpoint.write(tmp_path, 3, snapshot)
        fresh = eight.build([{"params": weights, "lr": 0.01, "weight_decay": 0.1}])
        found = checkpoint.newest(tmp_path)
        assert found is not None
        checkpoint.unpack_optimizer(fresh, *found.snapshot.part("optimizer"))
        return fresh

    _, straight = run(eight, 6)
    resumed_by, resumed = run(eight, 6, pause=saved_and_read)
    assert all(torch.equal(one, other) for one, other in zip(straight, resumed, strict=True))
    assert resumed_by.param_groups[0]["lr"] == pytest.approx(0.01 * 15 / 20)
