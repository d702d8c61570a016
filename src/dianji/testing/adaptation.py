"""The contract of an adaptation: it proves what learns, and that nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from dianji.adapt.base import Adaptation
from dianji.adapt.layers import hold_still
from dianji.testing.component import ComponentContract
from dianji.testing.toys import MODELS, ToyModel


class AdaptationContract(ComponentContract):
    """``component`` is an adaptation; every test runs on each toy model.

    ``trains_trunk``: whether anything besides the head is said to learn.
    """

    kind: ClassVar[str] = "adaptation"
    trains_trunk: ClassVar[bool] = True

    def attach(self, name: str) -> tuple[Adaptation, ToyModel]:
        """A fresh toy model with the adaptation in it."""
        toy = MODELS[name]()
        adaptation: Adaptation = self.make()
        torch.manual_seed(1)
        adaptation.attach(toy.model)
        return adaptation, toy

    def test_suggests_a_learning_rate(self) -> None:
        assert self.make().learning_rate_factor > 0

    @pytest.mark.parametrize("name", MODELS)
    def test_the_head_learns(self, name: str) -> None:
        _, toy = self.attach(name)
        head = [(n, p) for n, p in toy.model.model.named_parameters() if toy.model.is_head(n)]
        assert head
        assert all(parameter.requires_grad for _, parameter in head)

    @pytest.mark.parametrize("name", MODELS)
    def test_one_step_changes_what_learns_and_nothing_else(self, name: str) -> None:
        _, toy = self.attach(name)
        model = toy.model.model
        before = snapshot(model)
        step(toy)
        changed = {n for n, tensor in snapshot(model).items() if not torch.equal(tensor, before[n])}
        learning = {n for n, parameter in model.named_parameters() if parameter.requires_grad}
        assert changed <= learning | moving_statistics(model)
        assert {n for n in changed if toy.model.is_head(n)}, "the head did not change"
        assert bool({n for n in changed & learning if not toy.model.is_head(n)}) == self.trains_trunk

    @pytest.mark.parametrize("name", MODELS)
    def test_does_not_change_what_the_model_says(self, name: str) -> None:
        with torch.no_grad():
            plain = MODELS[name]().logits()
            _, toy = self.attach(name)
            toy.model.model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
            torch.testing.assert_close(toy.logits(), plain, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("name", MODELS)
    def test_merging_keeps_what_was_learnt(self, name: str) -> None:
        adaptation, toy = self.attach(name)
        for _ in range(3):
            step(toy)
        said = evaluate(toy)
        adaptation.merge(toy.model.model)
        torch.testing.assert_close(evaluate(toy), said, atol=1e-5, rtol=0)
        adaptation.merge(toy.model.model)
        torch.testing.assert_close(evaluate(toy), said, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("name", MODELS)
    def test_a_merged_model_has_the_architectures_own_names(self, name: str) -> None:
        adaptation, toy = self.attach(name)
        step(toy)
        adaptation.merge(toy.model.model)
        fresh = MODELS[name]()
        fresh.model.model.load_state_dict(toy.model.model.state_dict(), strict=True)
        torch.testing.assert_close(evaluate(fresh), evaluate(toy), atol=1e-6, rtol=0)
        assert not hasattr(toy.model.model, "peft_config")

    @pytest.mark.parametrize("name", MODELS)
    def test_saves_its_extra_parts_or_nothing(self, name: str, tmp_path: Path) -> None:
        adaptation, toy = self.attach(name)
        plain = set(MODELS[name]().model.model.state_dict())
        extra = set(toy.model.model.state_dict()) != plain
        adaptation.save(toy.model.model, tmp_path / "adapter")
        found = {file.name for file in tmp_path.rglob("*") if file.is_file()}
        assert found == ({"adapter_config.json", "adapter_model.safetensors"} if extra else set())


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict(keep_vars=True).items()}


def step(toy: ToyModel) -> None:
    """One step of plain descent, in training mode, on what learns."""
    model = toy.model.model
    model.train()
    hold_still(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    toy.loss().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimizer.step()
    optimizer.zero_grad()


def evaluate(toy: ToyModel) -> Tensor:
    """Logits in evaluation mode."""
    toy.model.model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    with torch.no_grad():
        return toy.logits()


def moving_statistics(model: nn.Module) -> set[str]:
    """Names of the running statistics beside weights that learn; the others must not move."""
    return {
        f"{path}.{name}"
        for path, module in model.named_modules()
        if any(parameter.requires_grad for parameter in module.parameters(recurse=False))
        for name, _ in module.named_buffers(recurse=False)
    }
