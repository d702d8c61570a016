"""The compiled AdamW moves weights as torch's does, and goes on from where torch's has stopped."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dianji.engine.optimizers import AdamW, clip
from dianji.kernels.native import adamw, library
from dianji.kernels.native.adamw import CompiledAdamW, knows

pytestmark = pytest.mark.kernels


def weights() -> list[nn.Parameter]:
    """Smaller and larger than a piece, scalars, one with its channels last, and an empty one."""
    torch.manual_seed(0)
    made = [torch.randn(shape) for shape in [(), (3,), (17, 5), (300, 200), (4, 3, 2, 2), (0, 3)]]
    made[4] = made[4].to(memory_format=torch.channels_last)
    return [nn.Parameter(tensor) for tensor in made]


def groups(of: list[nn.Parameter]) -> list[dict[str, object]]:
    return [
        {"params": of[:3], "lr": 1e-2, "weight_decay": 0.1},
        {"params": of[3:], "lr": 3e-3, "weight_decay": 0.0},
    ]


def set_gradients(of: list[nn.Parameter], seed: int, *, but: int | None = None) -> None:
    torch.manual_seed(seed)
    for number, weight in enumerate(of):
        grad = torch.randn(weight.shape)
        weight.grad = None if number == but else torch.empty_like(weight).copy_(grad)


def assert_equal(mine: list[nn.Parameter], theirs: list[nn.Parameter]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("most", [None, 1.0, 1e6])
def test_it_is_torchs(most: float | None) -> None:
    mine, theirs = weights(), weights()
    compiled = CompiledAdamW(groups(mine), betas=(0.8, 0.95), eps=1e-6)
    plain = torch.optim.AdamW(groups(theirs), betas=(0.8, 0.95), eps=1e-6)
    for step in range(5):
        set_gradients(mine, step, but=1 if step == 2 else None)
        set_gradients(theirs, step, but=1 if step == 2 else None)
        if most is not None:
            norm = compiled.clip(most)
            assert norm == pytest.approx(float(nn.utils.clip_grad_norm_(theirs, most)), rel=1e-5)
        compiled.step()
        plain.step()
        compiled.zero_grad()
        assert_equal(mine, theirs)


def test_either_goes_on_from_the_others_state() -> None:
    mine, theirs = weights(), weights()
    compiled, plain = CompiledAdamW(groups(mine)), torch.optim.AdamW(groups(theirs))
    for of, optimizer in ((mine, compiled), (theirs, plain)):
        set_gradients(of, 1)
        optimizer.step()
    state, other = compiled.state_dict(), plain.state_dict()
    compiled.load_state_dict(other)
    plain.load_state_dict(state)
    for of, optimizer in ((mine, compiled), (theirs, plain)):
        set_gradients(of, 2)
        optimizer.step()
    assert_equal(mine, theirs)


def test_moments_of_another_layout_are_taken_over() -> None:
    """As a checkpoint gives them back: it holds tensors with their channels first."""
    mine, theirs = weights(), weights()
    compiled, plain = CompiledAdamW(groups(mine)), torch.optim.AdamW(groups(theirs))
    for step in range(3):
        for of, optimizer in ((mine, compiled), (theirs, plain)):
            set_gradients(of, step)
            optimizer.step()
        for name in adamw.MOMENTS:
            compiled.state[mine[4]][name] = compiled.state[mine[4]][name].contiguous()
    assert_equal(mine, theirs)
    assert compiled.state[mine[4]]["exp_avg"].abs().sum() > 0


def test_steps_that_were_counted_in_another_precision_go_on() -> None:
    """As torch does where fp64 is the default."""
    mine, theirs = weights(), weights()
    compiled, plain = CompiledAdamW(groups(mine)), torch.optim.AdamW(groups(theirs))
    for step in range(3):
        for of, optimizer in ((mine, compiled), (theirs, plain)):
            set_gradients(of, step)
            optimizer.step()
        for weight in mine:
            compiled.state[weight]["step"] = compiled.state[weight]["step"].double()
    assert_equal(mine, theirs)
    assert all(int(compiled.state[weight]["step"]) == 3 for weight in mine)


def test_clipping_holds_for_one_step_and_leaves_gradients_alone() -> None:
    mine, theirs = weights(), weights()
    compiled, plain = CompiledAdamW(groups(mine)), torch.optim.AdamW(groups(theirs))
    for step in range(2):
        set_gradients(mine, step)
        set_gradients(theirs, step)
        before = mine[3].grad.clone()  # type: ignore[union-attr]  # just set
        if step == 0:
            clip(compiled, mine, 0.5)
            clip(plain, theirs, 0.5)
        assert torch.equal(before, mine[3].grad)  # type: ignore[arg-type]  # as above
        compiled.step()
        plain.step()
    assert_equal(mine, theirs)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_a_number_shows(value: float) -> None:
    mine = weights()
    compiled = CompiledAdamW(groups(mine))
    set_gradients(mine, 0)
    mine[3].grad.fill_(value)  # type: ignore[union-attr]  # just set
    norm = compiled.clip(1.0)
    assert not torch.tensor(norm).isfinite()
    compiled.step()
    assert not all(bool(weight.isfinite().all()) for weight in mine)


def test_threads_do_not_change_a_bit() -> None:
    found: list[list[Tensor]] = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        of = weights()
        compiled = CompiledAdamW(groups(of))
        set_gradients(of, 0)
        compiled.clip(0.3)
        compiled.step()
        found.append([weight.detach().clone() for weight in of])
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


class TestWhoMoves:
    def test_plain_weights_are_moved_by_the_kernels(self) -> None:
        assert isinstance(AdamW().build(groups(weights())), CompiledAdamW)

    def test_others_by_torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not knows([nn.Parameter(torch.zeros(3, dtype=torch.float64))])
        assert not knows([nn.Parameter(torch.zeros(4, 4)[:, ::2])])
        assert not knows([nn.Parameter(torch.zeros(3, device="meta"))])
        monkeypatch.setattr(library, "available", lambda: False)
        assert type(AdamW().build(groups(weights()))) is torch.optim.AdamW
