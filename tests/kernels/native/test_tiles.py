"""Products in the tiles of AMX against the same products in fp64: any number of rows, any threads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from
from torch import Tensor
from torch.nn import functional

from dianji.kernels.native import tiles

pytestmark = pytest.mark.skipif(not tiles.available(), reason="this processor has no AMX")

SIDES = sampled_from([32, 64, 96, 384])
ROUNDED = 2**-8  # of the largest number, what bf16 may lose
EXACT = 1e-6


def random(rows: int, width: int, seed: int, kind: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.randn((rows, width), generator=torch.Generator().manual_seed(seed)).to(kind)


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, beside the largest number."""
    assert found.shape == wanted.shape
    return float((found.double() - wanted).abs().max() / wanted.abs().max())


@settings(max_examples=60, deadline=None)
@given(rows=integers(1, 150), out=SIDES, into=SIDES, seed=integers(0, 2**20))
def test_both_directions_and_the_gradient(rows: int, out: int, into: int, seed: int) -> None:
    x, dy, bias = random(rows, into, seed), random(rows, out, seed + 1), random(1, out, seed + 2, torch.float32)[0]
    weights = random(out, into, seed + 3, torch.float32).split([out - 32, 32] if out > 32 else [out])
    packed = tiles.pack([weight.contiguous() for weight in weights])
    weight = torch.cat(weights).bfloat16().double()  # products round what they read
    after, before = x.double() @ weight.t() + bias, dy.double() @ weight
    assert apart(tiles.forward(x, packed, bias), after) < ROUNDED
    assert apart(tiles.forward(x, packed, None), after - bias) < ROUNDED
    assert apart(tiles.backward(dy, packed), before) < ROUNDED
    added = random(rows, into, seed + 4, torch.float32)
    assert apart(tiles.backward_wide(dy, packed, added), before + added) < EXACT
    assert apart(tiles.backward_wide(dy, packed, None), before) < EXACT
    assert apart(tiles.gradient(dy, x), dy.double().t() @ x.double()) < EXACT


@settings(max_examples=40, deadline=None)
@given(rows=integers(1, 150), out=SIDES, into=SIDES, seed=integers(0, 2**20))
def test_gelu_is_part_of_the_product_before_and_behind_it(rows: int, out: int, into: int, seed: int) -> None:
    x, bias = random(rows, into, seed), random(1, out, seed + 1, torch.float32)[0]
    packed = tiles.pack([random(out, into, seed + 2, torch.float32)])
    wide = x.double() @ random(out, into, seed + 2).double().t() + bias
    after, before = tiles.forward_gelu(x, packed, bias, keep=True)
    assert before is not None
    assert apart(before, wide) < ROUNDED
    assert apart(after, functional.gelu(wide)) < ROUNDED
    alone, kept = tiles.forward_gelu(x, packed, bias, keep=False)
    assert kept is None
    assert torch.equal(alone, after)
    dy, gone = random(rows, out, seed + 3), random(rows, into, seed + 4)
    wanted = torch.ops.aten.gelu_backward(dy.double() @ random(out, into, seed + 2).double(), gone.double())
    found, total = tiles.backward_gelu(dy, packed, gone)
    assert apart(found, wanted) < ROUNDED
    torch.testing.assert_close(total.double(), wanted.sum(dim=0), rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_sums_too_long_for_one_pass(threads: int) -> None:
    """Tokens are summed in several parts, and panels in several groups."""
    dy, x = random(2500, 96, 0), random(2500, 1536, 1)
    assert apart(tiles.gradient(dy, x), dy.double().t() @ x.double()) < EXACT


def test_the_same_to_the_last_bit_whatever_stands_beside_it_and_with_any_threads() -> None:
    weight, bias = random(96, 64, 0, torch.float32), random(1, 96, 1, torch.float32)[0]
    packed, x, dy = tiles.pack([weight]), random(133, 64, 2), random(133, 96, 3)
    whole, back = tiles.forward(x, packed, bias), tiles.backward(dy, packed)
    for rows in (slice(0, 1), slice(40, 60), slice(100, 133), slice(3, 130)):
        assert torch.equal(tiles.forward(x[rows], packed, bias), whole[rows])
        assert torch.equal(tiles.backward(dy[rows], packed), back[rows])
    gradient, before = tiles.gradient(dy, x), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert torch.equal(tiles.gradient(dy, x), gradient)
        assert torch.equal(tiles.forward(x, packed, bias), whole)
    finally:
        torch.set_num_threads(before)


def test_torch_multiplies_as_before_beside_them() -> None:
    """OneDNN has settings of its own for the same tiles."""
    a, b = random(70, 64, 0), random(64, 96, 1)
    packed = tiles.pack([random(96, 64, 2, torch.float32)])
    wanted = a @ b
    for _ in range(3):
        tiles.forward(random(40, 64, 3), packed, None)
        assert torch.equal(a @ b, wanted)


def test_what_is_no_number_stays_none() -> None:
    packed = tiles.pack([torch.eye(32)])
    x = torch.ones(32, 32).bfloat16()
    x[3, 5], x[4, 6] = float("nan"), float("inf")
    found = tiles.forward(x, packed, None)
    assert found[3].isnan().any()
    assert not found[4].isfinite().all()
    assert found[5:].isfinite().all()


def test_which_weights_fit() -> None:
    assert tiles.fits([torch.zeros(64, 32)])
    assert not tiles.fits([torch.zeros(64, 40)])
    assert not tiles.fits([torch.zeros(77, 32)])
    assert not tiles.fits([torch.zeros(64, 32).t()[:, :32].t().t()])
    assert not tiles.fits([torch.zeros(64, 32, dtype=torch.bfloat16)])


def test_memory_is_used_again() -> None:
    first = tiles.pack([torch.zeros(64, 32)])
    second = tiles.pack([torch.ones(64, 32)], first)
    assert second.forward.data_ptr() == first.forward.data_ptr()
    assert float(second.forward.float().min()) == 1.0
