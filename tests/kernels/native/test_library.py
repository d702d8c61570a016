"""What a call checks: always that tensors are contiguous; when debugging, their type, device and layout too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from dianji.kernels.native import encoder, layer, library, maps, tiles
from dianji.kernels.native.adamw import CompiledAdamW
from dianji.kernels.native.encoder import Drop, Heads
from dianji.kernels.native.maps import Map, Moments

pytestmark = pytest.mark.kernels


@pytest.fixture
def debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "DEBUG", True)


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="divide: there are no compiled kernels here, or they lack this one"):
        library.run("divide")


@pytest.mark.usefixtures("debug")
class TestDebugging:
    def test_right_calls_pass(self) -> None:
        joined, heads = torch.randn(6, 96), Heads(2, 3, 2, 16, 0.25, None, Drop(1, 9, 1.0))
        mixed, known = encoder.attend(joined, heads)
        encoder.attend_backward(torch.ones_like(mixed), joined, known, heads)
        gain = torch.ones(32)
        for kind in (torch.float32, torch.bfloat16):
            x = torch.randn(5, 32)
            normed = encoder.add_norm(x.to(kind), x, gain, gain, 1e-5, Drop(), keep=True)
            assert normed.total is not None
            encoder.add_norm_backward(x, normed.total, normed.mean, normed.rstd, gain, Drop(), kind)
            encoder.gelu_backward(x.to(kind), x.to(kind))
        rows = torch.randn(3, 2, 2, 8)
        moments = maps.moments(rows, 1e-5, maps.Running(torch.zeros(8), torch.ones(8), 0.1))
        one = Map(rows, moments, torch.ones(8), torch.zeros(8))
        maps.norm_relu_backward(rows, maps.norm_relu(one, Map(rows)), one, Map(rows))
        weight = nn.Parameter(torch.randn(4, 4))
        weight.grad = torch.ones(4, 4)
        optimizer = CompiledAdamW([weight])
        optimizer.clip(1.0)
        optimizer.step()

    def test_another_type(self) -> None:
        with pytest.raises(ValueError, match=r"argument 1 of widen is torch.float16, expected torch.bfloat16"):
            encoder.widen(torch.zeros(4, dtype=torch.float16))

    def test_another_device(self) -> None:
        nowhere = torch.empty(4, dtype=torch.bfloat16, device="meta")
        with pytest.raises(ValueError, match="argument 1 of widen is on meta, expected the CPU"):
            library.run("widen", nowhere, torch.empty(4), 4, 1)

    def test_another_layout(self) -> None:
        with pytest.raises(ValueError, match=r"argument 1 of widen is not contiguous: \(4, 2\) with strides \(4, 2\)"):
            library.run("widen", torch.zeros(4, 4).bfloat16()[:, ::2], torch.empty(8), 8, 1)

    def test_another_number_of_arguments_and_a_missing_one(self) -> None:
        with pytest.raises(ValueError, match="widen takes 4 arguments, found 2"):
            library.run("widen", torch.zeros(4).bfloat16(), torch.empty(4))
        with pytest.raises(ValueError, match="argument 2 of widen is missing"):
            library.run("widen", torch.zeros(4).bfloat16(), None, 4, 1)
        with pytest.raises(ValueError, match="argument 3 of widen is a tensor"):
            library.run("widen", torch.zeros(4).bfloat16(), torch.empty(4), torch.empty(4), 1)

    def test_tensors_whose_addresses_are_in_structs(self) -> None:
        rows, zeros = torch.randn(3, 2, 2, 8), torch.zeros(8)
        with pytest.raises(ValueError, match=r"a map's tensor is torch.float64, expected torch.float32"):
            maps.norm_relu(Map(rows, Moments(zeros.double(), zeros + 1), zeros, zeros), None)
        heads = Heads(2, 3, 2, 16, 0.25, None, Drop(), starts=torch.tensor([0, 3, 6], dtype=torch.int32))
        with pytest.raises(ValueError, match=r"the first rows of examples is torch.int32"):
            encoder.attend(torch.randn(6, 96), heads)

    def test_a_layer(self) -> None:
        packed = tiles.Packed(torch.zeros(32 * 32), torch.zeros(32 * 32), 32, 32)
        linear = layer.Linear(packed, torch.zeros(32))
        norm = layer.Norm(torch.ones(32), torch.zeros(32), 1e-5, Drop())
        heads = Heads(1, 32, 1, 32, 1.0, None, Drop())
        whole = layer.Whole(heads, (linear, linear, linear, linear), (norm, norm))
        with pytest.raises(ValueError, match=r"a weight in tiles is torch.float32, expected torch.bfloat16"):
            layer.forward(torch.zeros(32, 32), torch.zeros(32, 32).bfloat16(), whole, keep=False)

    def test_what_an_optimizer_walks_through(self) -> None:
        weight = nn.Parameter(torch.randn(4, 4))
        weight.grad = torch.ones(4, 4)
        optimizer = CompiledAdamW([weight])
        optimizer.step()
        weight.data = weight.data.double()
        weight.grad = torch.ones(4, 4).double()
        with pytest.raises(ValueError, match=r"weight of a weight \(4, 4\) is \(torch.float64"):
            optimizer.step()


@pytest.mark.parametrize(("value", "debugs"), [("1", True), ("0", False), ("", False)])
def test_the_environment_switches_it_on(value: str, debugs: bool) -> None:
    script = "from dianji.kernels.native import library; print(library.DEBUG)"
    environment = os.environ | {"DIANJI_KERNELS_DEBUG": value}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(debugs)
