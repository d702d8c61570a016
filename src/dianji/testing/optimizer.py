"""The contract of an optimizer."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dianji.testing.component import ComponentContract


class OptimizerContract(ComponentContract):
    """``component`` is an optimizer.

    ``rate`` is a learning rate at which it gets somewhere on a small quadratic within 200 steps.
    """

    kind: ClassVar[str] = "optimizer"
    rate: ClassVar[float] = 0.05

    def build(self, *weights: Tensor, **options: float) -> torch.optim.Optimizer:
        """The optimizer over one group for each weight."""
        groups: list[dict[str, Any]] = [
            {"params": [weight], "lr": self.rate, "weight_decay": 0.0, **options} for weight in weights
        ]
        built: torch.optim.Optimizer = self.make().build(groups)
        return built

    def test_its_usual_rate_is_a_rate_or_left_to_the_base(self) -> None:
        rate = self.make().default_learning_rate
        assert rate is None or rate > 0

    def test_goes_downhill(self) -> None:
        weight = _weight()
        optimizer = self.build(weight)
        start = _slope(weight).item()
        for _ in range(200):
            _go(optimizer, weight)
        assert _slope(weight).item() < 0.5 * start

    def test_takes_rate_and_decay_from_the_group(self) -> None:
        still, moving = _weight(), _weight()
        optimizer = self.build(still, moving)
        optimizer.param_groups[0]["lr"] = 0.0
        _go(optimizer, still, moving)
        assert torch.equal(still, _weight())
        assert not torch.equal(moving, _weight())
        plain, decayed = _weight(), _weight()
        for weight, decay in ((plain, 0.0), (decayed, 0.5)):
            _go(self.build(weight, weight_decay=decay), weight)
        assert not torch.equal(plain, decayed)

    def test_keeps_what_others_put_into_a_group(self) -> None:
        optimizer = self.build(_weight(), base_lr=0.3)
        assert optimizer.param_groups[0]["base_lr"] == 0.3

    def test_passes_over_a_weight_without_gradient(self) -> None:
        weight, idle = _weight(), _weight()
        _go(self.build(weight, idle), weight)
        assert torch.equal(idle, _weight())

    def test_goes_on_from_its_state_to_the_bit(self) -> None:
        straight = _weight()
        first = self.build(straight)
        for _ in range(3):
            _go(first, straight)
        resumed = nn.Parameter(straight.detach().clone())
        second = self.build(resumed)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        for _ in range(3):
            _go(first, straight)
            _go(second, resumed)
        assert torch.equal(straight, resumed)


def _weight() -> nn.Parameter:
    return nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 4))


def _slope(weight: Tensor) -> Tensor:
    """A bowl whose bottom is at one half."""
    return ((weight - 0.5) ** 2).sum()


def _go(optimizer: torch.optim.Optimizer, *weights: Tensor) -> None:
    optimizer.zero_grad()
    loss = torch.stack([_slope(weight) for weight in weights]).sum()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimizer.step()
