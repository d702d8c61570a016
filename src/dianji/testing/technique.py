"""The contract of a technique, and the small training loop it is tried in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import pytest
import safetensors.torch
import torch
from torch import Tensor

from dianji.adapt.frozen import Frozen
from dianji.adapt.layers import hold_still
from dianji.tasks.base import Batch, Loss
from dianji.tasks.text_classification import TextClassification
from dianji.techniques.base import Listener, Progress, Scores, State, Step, Technique
from dianji.testing.adaptation import snapshot
from dianji.testing.component import ComponentContract
from dianji.testing.toys import MODELS, ToyModel, pooled_bert, resnet, text_table


class ToyRun:
    """A training loop on a toy: one batch, an evaluation after every second step, everything seeded by the step."""

    def __init__(self, techniques: Sequence[Technique], toy: ToyModel, total: int, *, rate: float = 0.05) -> None:
        self.toy = toy
        model = toy.model.model
        learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self.progress = Progress(
            model, seed=0, total_steps=total, trainable=learning, head=toy.model.head, over_rows=self.over_rows
        )
        self.optimizer = torch.optim.SGD(learning.values(), lr=rate, momentum=0.9)
        ordered = sorted(techniques, key=lambda technique: technique.order)
        self.listeners = [technique.start(self.progress) for technique in ordered]
        #: What evaluations see: the score is minus the loss.
        self.scores: list[float] = []

    def train(self, until: int) -> ToyRun:
        """Go on to step ``until``, or to where a technique stops."""
        if self.progress.step == 0:
            for listener in self.listeners:
                listener.begin(self.progress)
        while self.progress.step < until and self.progress.stop_reason is None:
            self.step()
            if self.progress.step % 2 == 0:
                self.evaluate()
        return self

    def over_rows(self, see: Callable[[Batch], None]) -> None:
        """The one batch, as the engine would show it."""
        self.progress.model.eval()
        with torch.inference_mode():
            self.toy.logits()
        see(self.batch())

    def batch(self) -> Batch:
        """Inputs and targets."""
        return {**self.toy.inputs, "labels": self.toy.target}

    def finish(self) -> dict[str, Tensor]:
        """The weights that are kept."""
        for listener in self.listeners:
            listener.finish(self.progress)
        return snapshot(self.progress.model)

    def step(self) -> None:
        """One optimiser step."""
        self.progress.model.train()
        hold_still(self.progress.model)
        torch.manual_seed(1000 + self.progress.step)
        task = TextClassification().fit(text_table())
        step = Step(task, self.batch(), self._forward, lambda loss: _backward(loss.value))
        loss = step.forward()
        for listener in self.listeners:
            loss = listener.loss(step, loss)
        step.backward(loss)
        for listener in self.listeners:
            listener.after_backward(step)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        for listener in self.listeners:
            listener.after_step(self.progress)

    def evaluate(self) -> None:
        """Score the model as the techniques want it seen."""
        self.progress.model.eval()
        with ExitStack() as stack:
            for listener in self.listeners:
                stack.enter_context(listener.evaluating(self.progress))
            with torch.no_grad():
                score = -float(self.toy.loss())
            self.scores.append(score)
            for listener in self.listeners:
                listener.after_evaluation(self.progress, Scores(score, higher_is_better=True, values={"loss": -score}))

    def checkpoint(self) -> list[Any]:
        """Everything that an engine would write, through bytes and JSON."""
        states = [_written(listener.state()) for listener in self.listeners]
        where = (self.progress.step, self.progress.stop_reason)
        return [where, snapshot(self.progress.model), self.optimizer.state_dict(), states]

    def restore(self, checkpoint: list[Any]) -> ToyRun:
        """Inverse of ``checkpoint``, on a fresh run."""
        (self.progress.step, self.progress.stop_reason), weights, optimizer, states = checkpoint
        self.progress.model.load_state_dict(weights)
        self.optimizer.load_state_dict(optimizer)
        for listener, state in zip(self.listeners, states, strict=True):
            listener.restore(_read(state))
        return self

    def _forward(self) -> Loss:
        return Loss(self.toy.loss(), len(self.toy.target))


class TechniqueContract(ComponentContract):
    """``component`` is a technique."""

    kind: ClassVar[str] = "technique"

    def run(self, toy: ToyModel, total: int, *, rate: float = 0.05) -> ToyRun:
        """A fresh run with the technique in it."""
        return ToyRun([self.make()], toy, total, rate=rate)

    def test_has_a_place_in_the_order(self) -> None:
        assert isinstance(self.make().order, int)

    def test_starts_a_fresh_listener_each_time(self) -> None:
        progress = self.run(pooled_bert(), 1).progress
        first, second = self.make().start(progress), self.make().start(progress)
        assert isinstance(first, Listener)
        assert first is not second

    @pytest.mark.parametrize("name", MODELS)
    def test_a_run_may_be_one_step_long(self, name: str) -> None:
        weights = self.run(MODELS[name](), 1).train(1).finish()
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())

    def test_a_run_without_a_step_leaves_the_weights(self) -> None:
        before = snapshot(pooled_bert().model.model)
        after = self.run(pooled_bert(), 1).finish()
        assert all(torch.equal(after[name], before[name]) for name in before)

    @pytest.mark.parametrize("pause", [1, 2, 5])
    @pytest.mark.parametrize("rate", [0.05, 2.0])  # scores that rise, and scores that do not
    def test_a_resumed_run_is_the_same_to_the_bit(self, pause: int, rate: float) -> None:
        straight = self.run(resnet(), 6, rate=rate).train(6)
        paused = self.run(resnet(), 6, rate=rate).train(pause)
        resumed = self.run(resnet(), 6, rate=rate).restore(paused.checkpoint()).train(6)
        assert resumed.progress.step == straight.progress.step
        assert paused.scores + resumed.scores == straight.scores
        expected, found = straight.finish(), resumed.finish()
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    def test_frozen_weights_are_not_touched(self) -> None:
        toy = resnet()
        Frozen().attach(toy.model)
        before = snapshot(toy.model.model)
        after = self.run(toy, 4).train(4).finish()
        still = [name for name in before if not toy.model.is_head(name)]
        assert all(torch.equal(after[name], before[name]) for name in still)

    def test_evaluating_gives_the_trained_weights_back(self) -> None:
        run = self.run(resnet(), 4).train(3)
        before = snapshot(run.progress.model)
        with pytest.raises(KeyboardInterrupt), run.listeners[0].evaluating(run.progress):
            raise KeyboardInterrupt
        after = snapshot(run.progress.model)
        assert all(torch.equal(after[name], before[name]) for name in before)


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _written(state: State) -> tuple[bytes, str]:
    return safetensors.torch.save(state.tensors), json.dumps(state.values)


def _read(written: tuple[bytes, str]) -> State:
    return State(safetensors.torch.load(written[0]), json.loads(written[1]))
