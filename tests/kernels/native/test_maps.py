"""Each kernel for maps against the same mathematics in torch: any shape, any threads, and numbers that are none."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import booleans, integers, sampled_from
from torch import Tensor
from torch.nn import functional

from dianji.kernels.native import maps
from dianji.kernels.native.maps import Map, Moments, Running, SlidingWindows

pytestmark = pytest.mark.kernels

KINDS = sampled_from([torch.float32, torch.bfloat16])
SIDES, CHANNELS = integers(1, 7), integers(1, 70)


def close(found: Tensor | None, wanted: Tensor | None, kind: torch.dtype = torch.float32) -> None:
    assert found is not None
    assert wanted is not None
    rough = kind == torch.bfloat16
    torch.testing.assert_close(
        found.float(), wanted.float(), rtol=1e-2 if rough else 1e-3, atol=2e-2 if rough else 2e-4
    )


def drawn(shape: tuple[int, ...], kind: torch.dtype) -> Tensor:
    """Channels that are far from zero and of different widths."""
    return (torch.randn(shape) * (1 + torch.rand(shape[-1])) + torch.randn(shape[-1]) * 3).to(kind)


def exact(x: Tensor) -> Tensor:
    """A leaf (batch, channels, height, width) of the same numbers."""
    return x.float().permute(0, 3, 1, 2).contiguous().requires_grad_()


def last(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.permute(0, 2, 3, 1)


class Normalised:
    """A map, its moments by the kernel, and the same by torch."""

    def __init__(self, x: Tensor) -> None:
        channels = x.shape[-1]
        self.plain, self.gain, self.shift = exact(x), *(torch.randn(channels).requires_grad_() for _ in range(2))
        running = Running(torch.randn(channels), torch.rand(channels), 0.3)
        self.mean, self.var = running.mean.clone(), running.var.clone()
        self.running = running
        self.map = Map(x, maps.moments(x, 1e-3, running), self.gain.detach(), self.shift.detach())

    def by_torch(self) -> Tensor:
        return functional.batch_norm(
            self.plain, self.mean, self.var, self.gain, self.shift, training=True, momentum=0.3, eps=1e-3
        )


@settings(max_examples=40, deadline=None)
@given(batch=integers(2, 5), height=SIDES, width=SIDES, channels=CHANNELS, kind=KINDS)
def test_moments(batch: int, height: int, width: int, channels: int, kind: torch.dtype) -> None:
    one = Normalised(drawn((batch, height, width, channels), kind))
    one.by_torch()
    moments = one.map.moments
    assert moments is not None
    flat = one.plain.detach().transpose(0, 1).flatten(1)
    close(moments.mean, flat.mean(1))
    close(moments.rstd, (flat.var(1, correction=0) + 1e-3).rsqrt())
    close(one.running.mean, one.mean)
    close(one.running.var, one.var)


def test_moments_of_many_places_far_from_zero(threads: int) -> None:
    x = torch.randn(4, 50, 50, 3) + 1000
    found = maps.moments(x, 0.0, Running(torch.zeros(3), torch.ones(3), 0.1))
    torch.testing.assert_close(found.mean, x.double().mean((0, 1, 2)).float(), rtol=1e-7, atol=0)
    torch.testing.assert_close(found.rstd, 1 / x.double().std((0, 1, 2), correction=0).float(), rtol=1e-4, atol=0)


@settings(max_examples=60, deadline=None)
@given(
    batch=integers(2, 5),
    height=SIDES,
    width=SIDES,
    channels=CHANNELS,
    kind=KINDS,
    beside=sampled_from(["nothing", "as it is", "normalised"]),
)
def test_sums_and_their_gradients(
    batch: int, height: int, width: int, channels: int, kind: torch.dtype, beside: str
) -> None:
    shape = (batch, height, width, channels)
    one, other = Normalised(drawn(shape, kind)), Normalised(drawn(shape, kind))
    two = {"nothing": None, "as it is": Map(other.map.x), "normalised": other.map}[beside]
    total = one.by_torch()
    if two is not None:
        total = total + (other.plain if beside == "as it is" else other.by_torch())
    out = maps.norm_relu(one.map, two)
    close(last(functional.relu(total).detach()), out, kind)
    grad, positive = torch.randn(shape).to(kind), total.detach() > 0
    total.backward(exact(grad).detach() * positive)
    masked = positive.permute(0, 2, 3, 1).to(kind).contiguous()  # by torch: near zero rounding may say otherwise
    found = maps.norm_relu_backward(grad, masked, one.map, two)
    close(found.one, last(one.plain.grad), kind)
    close(found.shift, one.shift.grad)
    close(found.gain_one, one.gain.grad)
    if two is not None:
        close(found.two, last(other.plain.grad), kind)
    if beside == "normalised":
        close(found.gain_two, other.gain.grad)


@settings(max_examples=60, deadline=None)
@given(
    batch=integers(1, 3),
    height=integers(2, 9),
    width=integers(2, 9),
    channels=CHANNELS,
    kind=KINDS,
    size=integers(1, 5),
    stride=integers(1, 4),
    padded=booleans(),
)
def test_windows_and_their_gradients(
    batch: int, height: int, width: int, channels: int, kind: torch.dtype, size: int, stride: int, padded: bool
) -> None:
    windows = SlidingWindows(size, stride, size // 2 if padded else 0)
    if not maps.pools(torch.Size((batch, channels, height, width)), windows):
        return
    # Numbers that bf16 has, none of them twice: which of equals is largest is nobody's business.
    places = torch.stack([torch.randperm(height * width) - 30 for _ in range(batch * channels)])
    x = places.view(batch, channels, height, width).permute(0, 2, 3, 1).to(kind).contiguous()
    by, plus = torch.randn(channels).sign(), torch.zeros(channels)
    one = Map(x, Moments(torch.zeros(channels), torch.ones(channels)), by, plus)
    plain = exact(x)
    wanted = functional.max_pool2d(functional.relu(plain * by.view(-1, 1, 1)), size, stride, windows.pad)
    out, place = maps.norm_relu_pool(one, windows)
    assert torch.equal(out.float(), last(wanted.detach()))  # type: ignore[arg-type]  # is a map
    grad = torch.randint(-9, 9, out.shape).to(kind)
    wanted.backward(exact(grad).detach())
    found = maps.unpool(grad, place, windows, x)
    # The gradient of relu's argument, which here is x by its sign.
    assert plain.grad is not None
    assert torch.equal(found.float(), last(plain.grad * by.view(-1, 1, 1)))  # type: ignore[arg-type]  # is a map


@settings(max_examples=40, deadline=None)
@given(
    height=integers(1, 7),
    width=integers(1, 7),
    channels=integers(1, 40),
    size=integers(1, 5),
    stride=integers(1, 3),
    pad=integers(0, 3),
)
def test_unfolded(height: int, width: int, channels: int, size: int, stride: int, pad: int) -> None:
    if min(height, width) + 2 * pad < size:
        return
    x = torch.randn(2, height, width, channels).bfloat16()
    wanted = functional.unfold(exact(x).detach(), size, padding=pad, stride=stride)  # (batch, channels * size², places)
    wanted = wanted.view(2, channels, size * size, -1).permute(0, 3, 2, 1).reshape(-1, size * size * channels)
    assert torch.equal(maps.unfold(x, SlidingWindows(size, stride, pad)).float(), wanted)


def test_any_number_of_threads_says_the_same(threads: int) -> None:
    torch.manual_seed(0)
    one = Normalised(drawn((3, 5, 4, 20), torch.float32))
    grad = torch.randn(3, 5, 4, 20)
    out = maps.norm_relu(one.map, None)
    first = maps.norm_relu_backward(grad, out, one.map, None)
    again = maps.norm_relu_backward(grad, out, one.map, None)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True) if a is not None and b is not None)
    functional.relu(one.by_torch()).backward(exact(grad).detach())
    close(first.one, last(one.plain.grad))


def test_what_is_no_number_stays_none() -> None:
    x = torch.randn(2, 3, 3, 17)
    x[0, 0, 0, 4] = torch.nan
    one = Normalised(x).map
    out = maps.norm_relu(one, None)
    assert out.isnan().all((0, 1, 2)).tolist() == [channel == 4 for channel in range(17)]
    pooled, _ = maps.norm_relu_pool(one, SlidingWindows(3, 2, 1))
    assert pooled.isnan().all((0, 1, 2)).tolist() == [channel == 4 for channel in range(17)]
    assert maps.norm_relu_backward(torch.ones_like(out), out, one, None).one[..., 4].isnan().all()


def test_what_is_too_large_for_a_stack_is_not_known() -> None:
    assert not maps.knows(torch.empty(1, maps.MOST_CHANNELS + 1, 1, 1))
    assert not maps.pools(torch.Size((1, 512, 1024, 1024)), SlidingWindows(3, 2, 1))
    assert not maps.pools(torch.Size((1, 8, 64, 64)), SlidingWindows(16, 2, 1))
