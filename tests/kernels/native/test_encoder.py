"""Each compiled kernel against the same mathematics in torch: any shape, any threads, and numbers that are none."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, sampled_from
from torch import Tensor
from torch.nn import functional

from dianji.kernels.native import encoder
from dianji.kernels.native.encoder import Drop, Heads
from dianji.kernels.native.structs import MOST_HEAD, MOST_TIME
from dianji.kernels.random_bits import LEVELS
from tests.kernels.layers.conftest import counted_bits

pytestmark = pytest.mark.kernels

KINDS = sampled_from([torch.float32, torch.bfloat16])
LEAST = torch.finfo(torch.float32).min


def close(found: Tensor, wanted: Tensor, kind: torch.dtype) -> None:
    rough = kind == torch.bfloat16
    torch.testing.assert_close(
        found.float(), wanted.float(), rtol=1e-2 if rough else 1e-4, atol=2e-2 if rough else 2e-5
    )


def drop_at(rate: float) -> tuple[Drop, float]:
    """A mask as ``counted_bits`` will draw it next."""
    torch.manual_seed(5)
    seed = int(torch.randint(2**62, ()))
    torch.manual_seed(5)
    bound = round(rate * LEVELS)
    return (Drop(seed, bound, LEVELS / (LEVELS - bound)), LEVELS / (LEVELS - bound)) if rate else (Drop(), 1.0)


def mask_of(shape: tuple[int, ...], rate: float, scale: float) -> Tensor:
    return counted_bits(torch.Size(shape), rate).neg().float() * scale if rate else torch.ones(shape)


@settings(max_examples=40, deadline=None)
@given(
    batch=integers(1, 4),
    time=integers(1, 40),
    heads=integers(1, 3),
    width=sampled_from([16, 32, 48, 64, 128]),
    kind=KINDS,
    rate=sampled_from([0.0, 0.1, 0.6]),
    bias=sampled_from(["none", "keys", "heads", "whole"]),
)
def test_attention_and_its_gradient(
    batch: int, time: int, heads: int, width: int, kind: torch.dtype, rate: float, bias: str
) -> None:
    drop, scale = drop_at(rate)
    kept = mask_of((batch * heads * time, time), rate, scale).view(batch, heads, time, time)
    joined = torch.randn(batch * time, 3 * heads * width).to(kind)
    shapes = {"keys": (batch, 1, 1, time), "heads": (1, heads, time, time), "whole": (batch, heads, time, time)}
    added = None if bias == "none" else torch.randn(shapes[bias])
    if added is not None and bias == "keys":
        added[..., time // 2 + 1 :] = LEAST
    exact = joined.float().requires_grad_()
    query, key, value = exact.view(batch, time, 3, heads, width).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * 0.3 + (0 if added is None else added)
    wanted = ((scores.softmax(-1) * kept) @ value).transpose(1, 2).reshape(batch * time, heads * width)
    of = Heads(batch, time, heads, width, 0.3, added, drop)
    found, known = encoder.attend(joined, of)
    close(found, wanted.detach(), kind)
    grad = torch.randn_like(wanted).to(kind)
    wanted.backward(grad.float())
    assert exact.grad is not None
    d_joined, total = encoder.attend_backward(grad, joined, known, of)
    close(d_joined, exact.grad, kind)
    torch.testing.assert_close(total, exact.grad.sum(0), rtol=1e-3, atol=1e-3)


def test_the_longest_attention_that_is_compiled() -> None:
    time, width = MOST_TIME, MOST_HEAD
    joined = torch.randn(time, 3 * width)
    query, key, value = joined.view(1, time, 3, 1, width).permute(2, 0, 3, 1, 4)
    wanted = functional.scaled_dot_product_attention(query, key, value, scale=0.1).reshape(time, width)
    found, known = encoder.attend(joined, of := Heads(1, time, 1, width, 0.1, None, Drop()))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert encoder.attend_backward(torch.ones_like(found), joined, known, of)[0].isfinite().all()
    assert encoder.attends(time, width)
    assert not encoder.attends(time + 1, width)
    assert not encoder.attends(time, width + 16)
    assert not encoder.attends(time, 24)


def test_a_row_that_may_look_at_nothing_is_a_mean_and_one_far_below_keeps_its_weights() -> None:
    joined = torch.randn(4, 48)
    bias = torch.full((1, 1, 1, 4), LEAST)
    found, _ = encoder.attend(joined, Heads(1, 4, 1, 16, 1.0, bias, Drop()))
    torch.testing.assert_close(found, joined[:, 32:].mean(0).expand(4, 16))
    joined[0, :16], joined[1:, :16] = -50, 50
    joined[:, 16:32] = 1
    found, _ = encoder.attend(joined, Heads(1, 4, 1, 16, 1.0, None, Drop()))
    torch.testing.assert_close(found, joined[:, 32:].mean(0).expand(4, 16))


@settings(max_examples=40, deadline=None)
@given(rows=integers(1, 9), width=integers(1, 70), kind=KINDS, rate=sampled_from([0.0, 0.2]))
def test_residual_with_normalisation_and_its_gradient(rows: int, width: int, kind: torch.dtype, rate: float) -> None:
    drop, scale = drop_at(rate)
    kept = mask_of((rows, width), rate, scale)
    out, x = torch.randn(rows, width).to(kind), torch.randn(rows, width).requires_grad_()
    gain, shift = torch.randn(width).requires_grad_(), torch.randn(width).requires_grad_()
    exact = out.float().requires_grad_()
    wanted = functional.layer_norm(x + exact * kept, (width,), gain, shift, 1e-3)
    of = (out, x.detach(), gain.detach(), shift.detach(), 1e-3, drop)
    normed, asked = encoder.add_norm(*of, keep=True), encoder.add_norm(*of, keep=False)
    torch.testing.assert_close(normed.result, wanted.detach(), rtol=1e-4, atol=1e-4)
    assert torch.equal(asked.result, normed.result)
    assert asked.total is None
    assert normed.total is not None
    assert (normed.narrow is None) == (kind == torch.float32)
    assert normed.narrow is None or torch.equal(normed.narrow, normed.result.to(kind))
    grad = torch.randn(rows, width)
    wanted.backward(grad)
    found = encoder.add_norm_backward(grad, normed.total, normed.mean, normed.rstd, gain.detach(), drop, kind)
    assert x.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(found.total, x.grad, rtol=1e-3, atol=1e-3)
    close(found.out, exact.grad, kind)
    for mine, theirs in ((found.gain, gain.grad), (found.shift, shift.grad), (found.bias, exact.grad.sum(0))):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(rows=integers(1, 5), width=integers(1, 50), kind=KINDS)
def test_gelus_gradient(rows: int, width: int, kind: torch.dtype) -> None:
    x, grad = (torch.randn(rows, width) * 4).to(kind), torch.randn(rows, width).to(kind)
    exact = x.float().requires_grad_()
    functional.gelu(exact).backward(grad.float())
    assert exact.grad is not None
    found, total = encoder.gelu_backward(grad, x)
    close(found, exact.grad, kind)
    torch.testing.assert_close(total, exact.grad.sum(0), rtol=1e-3, atol=1e-4)


def test_gelus_gradient_far_from_zero() -> None:
    x = torch.tensor([[-100.0, -20.0, -9.0, 9.0, 20.0, 100.0, 0.0, -0.0]])
    found, _ = encoder.gelu_backward(torch.ones_like(x), x)
    torch.testing.assert_close(found, torch.tensor([[0, 0, 0, 1, 1, 1, 0.5, 0.5]]), rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(size=integers(0, 60), ordinary=booleans())
def test_widening_is_exact(size: int, ordinary: bool) -> None:
    x = torch.randn(size) if ordinary else torch.full((size,), float("inf"))
    x, y = x.bfloat16(), torch.randn(size)
    assert torch.equal(encoder.widen(x), x.float())
    assert torch.equal(encoder.add_wide(x, y), x.float() + y)


def test_rounding_to_bf16_is_torchs() -> None:
    """To the nearest, ties to even; what overflows is infinite. The way out of ``add_norm_backward`` rounds."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32) * 65536 + 0x8000  # between two neighbours, all of them
    values = torch.cat([every, every - 1, every + 1]).view(torch.float32)
    values = values[values.isfinite()]
    values = values[: len(values) // 16 * 16].view(-1, 16)
    ones = torch.ones_like(values)
    # gelu's slope is 1 far to the right, so that what goes in comes out, rounded
    found, _ = encoder.gelu_backward(ones.bfloat16(), (ones * 30).bfloat16())
    assert torch.equal(found, ones.bfloat16())
    gain = torch.ones(16)
    normed = encoder.add_norm(values.bfloat16(), torch.zeros_like(values), gain, gain, 1e-5, Drop(), keep=True)
    assert normed.total is not None
    moved = encoder.add_norm_backward(values, normed.total, normed.mean, normed.rstd, gain, Drop(), torch.bfloat16)
    finite = moved.total.isfinite()
    assert finite.any()
    assert torch.equal(moved.out[finite], moved.total[finite].bfloat16())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_is_not_a_number_stays_none(kind: torch.dtype) -> None:
    x = torch.full((3, 20), float("nan"))
    gain = torch.ones(20)
    normed = encoder.add_norm(x.to(kind), x, gain, gain, 1e-5, Drop(), keep=True)
    assert normed.total is not None
    assert normed.result.isnan().all()
    found = encoder.add_norm_backward(x, normed.total, normed.mean, normed.rstd, gain, Drop(), kind)
    assert found.out.isnan().all()
    assert encoder.gelu_backward(x.to(kind), x.to(kind))[0].isnan().all()
    joined = torch.full((5, 48), float("nan")).to(kind)
    mixed, known = encoder.attend(joined, of := Heads(1, 5, 1, 16, 1.0, None, Drop()))
    assert mixed.isnan().all()
    assert encoder.attend_backward(mixed, joined, known, of)[0].isnan().all()


def test_dropout_drops_at_its_rate_and_keeps_the_mean() -> None:
    ones, zeros = torch.ones(400, 300), torch.zeros(400, 300)
    drop, scale = drop_at(0.1)
    total = encoder.add_norm(ones, zeros, torch.ones(300), torch.zeros(300), 1e-5, drop, keep=True).total
    assert total is not None
    assert sorted(total.unique().tolist()) == pytest.approx([0.0, scale])
    assert total.eq(0).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert total.mean().item() == pytest.approx(1, abs=0.01)
    # neighbours in a row, and rows, know nothing of each other
    dropped = total.eq(0).float() - 0.1
    assert abs((dropped[:, 1:] * dropped[:, :-1]).mean().item()) < 0.002
    assert abs((dropped[1:] * dropped[:-1]).mean().item()) < 0.002


def test_the_number_of_threads_changes_rounding_alone(threads: int) -> None:
    torch.manual_seed(0)
    x, joined = torch.randn(33, 40), torch.randn(33, 3 * 32)
    found, total = encoder.gelu_backward(x, x)
    mixed, _ = encoder.attend(joined, Heads(3, 11, 2, 16, 0.5, None, drop_at(0.1)[0]))
    torch.set_num_threads(2)
    again, total_again = encoder.gelu_backward(x, x)
    assert torch.equal(found, again)
    assert torch.equal(mixed, encoder.attend(joined, Heads(3, 11, 2, 16, 0.5, None, drop_at(0.1)[0]))[0])
    torch.testing.assert_close(total, total_again)


def test_tensors_with_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="not contiguous"):
        encoder.widen(torch.zeros(4, 4).bfloat16()[:, ::2])
