"""Masks have the distribution of torch's, gradients follow the mask, and what does not fit goes to torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from dianji.engine.dropout import cheap_dropout, mask
from dianji.kernels.random_bits import LEVELS

ROWS = torch.ones(400, 500)


@pytest.mark.parametrize("rate", [1 / 1024, 0.1, 0.5, 0.9])
def test_elements_are_dropped_at_the_rate_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(1)
    found = mask(ROWS.shape, rate, torch.float32)
    spread = math.sqrt(rate * (1 - rate) / found.numel())
    assert abs((found == 0).float().mean().item() - rate) < 5 * spread + 1 / LEVELS
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=0.01)
    assert found.double().mean().item() == pytest.approx(1, abs=6 * spread / (1 - rate))


def test_the_expected_scale_is_exact() -> None:
    """The scale follows the rounded rate: kept share times scale is one, not nearly one."""
    for rate in (0.1, 1 / 3, 0.77):
        dropped = round(rate * LEVELS)
        torch.manual_seed(0)
        scale = mask(torch.Size([64]), rate, torch.float64).max().item()
        assert scale * (LEVELS - dropped) / LEVELS == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("elements", [1, 2, 3, 4, 5, 1023])
def test_any_number_of_elements(elements: int) -> None:
    assert mask(torch.Size([elements]), 0.5, torch.float32).shape == (elements,)


def test_neighbours_rows_and_calls_are_independent() -> None:
    torch.manual_seed(2)
    one, other = (mask(torch.Size([200_000]), 0.5, torch.float64) - 1 for _ in range(2))
    bound = 5 / math.sqrt(one.numel())
    for lag in (1, 2, 3, 4, 8, 384):
        assert abs((one[lag:] * one[:-lag]).mean().item()) < bound
    assert abs((one * other).mean().item()) < bound


def test_torch_seeds_it() -> None:
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks.append(mask(torch.Size([1000]), 0.3, torch.float32))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_a_module_gets_it_and_its_gradient_is_the_mask() -> None:
    layer = torch.nn.Dropout(0.25)
    x = ROWS.clone().requires_grad_()
    torch.manual_seed(5)
    with cheap_dropout():
        y = layer(x)
    y.sum().backward()
    torch.manual_seed(5)
    assert torch.equal(y, mask(ROWS.shape, 0.25, torch.float32))
    assert x.grad is not None
    assert torch.equal(x.grad, y)


def test_evaluation_and_work_in_place_are_torchs() -> None:
    x = ROWS.clone()
    with cheap_dropout():
        assert functional.dropout(x, 0.5, training=False) is x
        torch.manual_seed(6)
        ours = functional.dropout(x.clone(), 0.5, inplace=True)
    torch.manual_seed(6)
    assert torch.equal(ours, functional.dropout(x.clone(), 0.5, inplace=True))


@pytest.mark.parametrize("rate", [0.0, 1e-5, 1.0])
def test_rates_that_sixteen_bits_cannot_tell_are_torchs(rate: float) -> None:
    torch.manual_seed(7)
    with cheap_dropout():
        ours = functional.dropout(ROWS, rate)
    torch.manual_seed(7)
    assert torch.equal(ours, functional.dropout(ROWS, rate))


def heads(seed: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(2, 3, 7, 8, generator=generator) for _ in range(3))
    return query, key, value


def padding(kind: torch.dtype) -> torch.Tensor:
    kept = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    kept[1, ..., 4:] = False
    if kind == torch.bool:
        return kept
    return torch.zeros(kept.shape).masked_fill(~kept, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("kind", [None, torch.bool, torch.float32])
@pytest.mark.parametrize("scale", [None, 0.3, 0.0])
def test_attention_is_torchs_with_the_same_mask(kind: torch.dtype | None, scale: float | None) -> None:
    query, key, value = heads()
    kept = padding(kind) if kind is not None else None
    torch.manual_seed(9)
    with cheap_dropout():
        ours = functional.scaled_dot_product_attention(query, key, value, kept, dropout_p=0.2, scale=scale)
    torch.manual_seed(9)
    drawn = mask(torch.Size([2, 3, 7, 7]), 0.2, torch.float32)
    factor = scale if scale is not None else 8**-0.5
    for row in range(2):
        for head in range(3):
            scores = query[row, head].double() @ key[row, head].double().T * factor
            if row == 1 and kept is not None:
                scores[:, 4:] = -math.inf
            wanted = (scores.softmax(-1) * drawn[row, head]) @ value[row, head].double()
            torch.testing.assert_close(ours[row, head].double(), wanted, rtol=1e-4, atol=1e-5)


def test_attention_without_dropout_is_torchs() -> None:
    query, key, value = heads()
    with cheap_dropout():
        ours = functional.scaled_dot_product_attention(query, key, value)
        causal = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    assert torch.equal(ours, functional.scaled_dot_product_attention(query, key, value))
    assert torch.equal(causal, functional.scaled_dot_product_attention(query, key, value, is_causal=True))


def test_a_row_that_attends_to_nothing_stays_finite() -> None:
    query, key, value = heads()
    kept = torch.zeros(2, 1, 7, 7, dtype=torch.bool)
    with cheap_dropout():
        ours = functional.scaled_dot_product_attention(query, key, value, kept, dropout_p=0.2)
    assert ours.isfinite().all()


def test_activation_checkpointing_recomputes_the_same_masks() -> None:
    from torch.utils.checkpoint import checkpoint

    layer = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 4))
    x = torch.randn(32, 16, generator=torch.Generator().manual_seed(10))
    gradients = []
    for saved in (False, True):
        layer.zero_grad()
        torch.manual_seed(11)
        with cheap_dropout():
            y = checkpoint(layer, x, use_reentrant=False) if saved else layer(x)
            y.square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in layer.parameters() if parameter.grad is not None])
    assert len(gradients[0]) == 4
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_torch_has_its_functions_back_afterwards() -> None:
    before = (functional.dropout, functional.scaled_dot_product_attention)
    with cheap_dropout():
        with pytest.raises(KeyError), cheap_dropout():
            raise KeyError
        assert functional.dropout is not before[0]
        assert functional.scaled_dot_product_attention is not before[1]
    assert (functional.dropout, functional.scaled_dot_product_attention) == before
