"""Dropout by bits drops at the rate, keeps the mean, and is its own transpose."""

from __future__ import annotations

import pytest
import torch

from dianji.engine.dropout import mask
from dianji.kernels.layers.noise import Noise

SHAPE = torch.Size([300, 400])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_it_is_a_product_with_the_mask_of_cheap_dropout(rate: float, dtype: torch.dtype) -> None:
    noise = Noise(rate)
    torch.manual_seed(1)
    kept = noise.draw(SHAPE)
    torch.manual_seed(1)
    wanted = mask(SHAPE, rate, torch.float32)
    x = torch.randn(SHAPE).to(dtype)
    torch.testing.assert_close(
        noise.apply(x, kept).float(), x.float() * wanted, rtol=1e-2 if dtype != torch.float32 else 1e-6, atol=0
    )


def test_at_rate_zero_nothing_is_drawn() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    noise = Noise(0.0)
    kept = noise.draw(SHAPE)
    x = torch.ones(3)
    assert kept is None
    assert noise.apply(x, kept) is x
    assert noise.scale == 1
    assert torch.equal(torch.get_rng_state(), before)
