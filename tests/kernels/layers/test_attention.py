"""The two ways to a softmax agree with torch's, also where scores are far apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import floats, integers

from dianji.kernels.layers.attention import SHORT, softmax, softmax_backward


@given(batch=integers(1, 3), heads=integers(1, 3), time=integers(1, SHORT + 2), spread=floats(0.1, 300))
def test_softmax_and_its_gradient_agree_with_torch(batch: int, heads: int, time: int, spread: float) -> None:
    torch.manual_seed(0)
    scores = (torch.randn(batch * heads, time, time) * spread).requires_grad_()
    bias = torch.zeros(batch, 1, 1, time)
    bias[..., time // 2 + 1 :] = torch.finfo(torch.float32).min
    wanted = (scores.view(batch, heads, time, time) + bias).softmax(-1).view_as(scores)
    found = softmax(scores.detach().clone(), bias, batch)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    grad = torch.randn_like(scores)
    wanted.backward(grad)
    assert scores.grad is not None
    torch.testing.assert_close(softmax_backward(grad, found), scores.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("time", [3, SHORT])
def test_a_row_far_below_the_others_keeps_its_weights(time: int) -> None:
    """With one maximum for all, exp would leave it nothing."""
    scores = torch.zeros(2, time, time)
    scores[0, 0] = -400
    torch.testing.assert_close(softmax(scores, None, 1)[0, 0], torch.full((time,), 1 / time))
