"""Two passes with different dropout are to agree."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from dianji.errors import CapabilityError
from dianji.tasks.base import Loss, Task
from dianji.techniques.base import Progress, Step
from dianji.techniques.r_drop import RDrop, disagreement
from dianji.testing.technique import ToyRun
from dianji.testing.toys import MODELS, pooled_bert


def divergence(p, q):
    """The slow oracle: KL(p || q), a label at a time."""
    return sum(float(a) * (float(a.log()) - float(b.log())) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("several", [False, True])
def test_disagreement_is_both_divergences_halved(several):
    torch.manual_seed(0)
    first, second = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    expected = []
    for a, b in zip(first, second, strict=True):
        if several:
            pairs = [
                (torch.stack([x, -x]).sigmoid(), torch.stack([y, -y]).sigmoid()) for x, y in zip(a, b, strict=True)
            ]
        else:
            pairs = [(a.softmax(0), b.softmax(0))]
        expected.append(sum(divergence(p, q) + divergence(q, p) for p, q in pairs) / 2)
    found = disagreement(first, second, several=several)
    assert float(found) == pytest.approx(sum(expected) / 4)
    assert float(disagreement(first, first, several=several)) == 0.0


class Wobbly(nn.Module):
    """A head whose answer alternates between two, as dropout would have it."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 3)
        self.calls = 0

    def forward(self, rows):
        self.calls += 1
        return self.head(rows * (1.0 if self.calls % 2 else 0.5))


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_loss_is_the_mean_of_both_and_what_they_disagree(weight):
    torch.manual_seed(0)
    model, rows, target = Wobbly(), torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    listener = RDrop(weight).start(Progress(model, 0, 1, head=("head",)))
    step = Step(
        task=cast(Task, None),
        batch={"rows": rows, "labels": target},
        forward=lambda: Loss(functional.cross_entropy(model(rows), target), 4),
        backward=lambda loss: None,
    )
    found = listener.loss(step, step.forward())
    a, b = model.head(rows), model.head(rows * 0.5)
    both = (functional.cross_entropy(a, target) + functional.cross_entropy(b, target)) / 2
    assert found.items == 4
    torch.testing.assert_close(found.value, both + weight * disagreement(a, b, several=False))
    found.value.backward()
    assert model.head.weight.grad is not None
    assert model.head.weight.grad.any()


@pytest.mark.parametrize("name", ["pooled-bert", "bert", "gpt2"])
def test_it_changes_what_is_learnt_where_there_is_dropout(name):
    plain, repeated = ToyRun([], MODELS[name](), 2).train(2), ToyRun([RDrop()], MODELS[name](), 2).train(2)
    assert plain.scores != repeated.scores


def test_the_hook_is_gone_afterwards():
    toy = pooled_bert()
    layer = toy.model.model.get_submodule("classifier")
    run = ToyRun([RDrop()], toy, 2).train(2)
    assert layer._forward_hooks
    run.finish()
    assert not layer._forward_hooks


@pytest.mark.parametrize("targets", [None, torch.zeros(4, 7, dtype=torch.int64)])
def test_labels_of_tokens_are_refused(targets):
    model = Wobbly()
    listener = RDrop().start(Progress(model, 0, 1, head=("head",)))
    batch = {} if targets is None else {"labels": targets}
    step = Step(cast(Task, None), batch, lambda: Loss(torch.tensor(1.0), 4), lambda loss: None)
    with pytest.raises(CapabilityError, match="r-drop needs a task that classifies rows or words"):
        listener.loss(step, step.forward())
