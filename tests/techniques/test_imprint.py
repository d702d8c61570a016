"""The head starts from class means, scaled as fits rows that are left out best."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from dianji.errors import CapabilityError
from dianji.techniques.base import Progress
from dianji.techniques.imprint import _SCALES, Imprint
from dianji.testing.adaptation import snapshot
from dianji.testing.technique import ToyRun
from dianji.testing.toys import MODELS, pooled_bert


class Rows:
    """A linear head on features that are given."""

    def __init__(self, rows, labels):
        self.features, self.targets = features, _ = rows
        self.layer = nn.Linear(features.shape[1], labels)
        self.model = nn.Sequential(nn.Identity(), self.layer)
        self.progress = Progress(self.model, 0, 1, head=("1",), over_rows=self.over_rows)

    def over_rows(self, see):
        for rows in torch.arange(len(self.features)).split(7):
            self.model(self.features[rows])
            see({"labels": self.targets[rows]})

    def imprinted(self, **arguments):
        Imprint(**arguments).start(self.progress).begin(self.progress)
        return self.layer.weight.detach().double()


def clusters(labels=5, rows=8, width=16, noise=0.7, common=0.0):
    torch.manual_seed(0)
    targets = torch.arange(labels * rows) % labels
    centres = torch.randn(labels, width) + common
    return 3 * (centres[targets] + noise * torch.randn(len(targets), width)), targets


def left_out(features, targets, labels, scale):
    """The slow oracle: for every row, class means without it, and how likely its label then is."""
    unit = functional.normalize(features.double(), dim=1)
    losses = []
    for row in range(len(unit)):
        others = torch.arange(len(unit)) != row
        means = [unit[others & (targets == label)].sum(dim=0) for label in range(labels)]
        scores = functional.normalize(torch.stack(means), dim=1) @ unit[row] * scale
        losses.append(functional.cross_entropy(scores, targets[row]))
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("noise", [0.3, 0.7, 2.0])
def test_the_scale_is_the_one_that_fits_left_out_rows_best(noise):
    features, targets = clusters(noise=noise)
    best = min(_SCALES, key=lambda scale: left_out(features, targets, 5, scale))
    weight = Rows((features, targets), 5).imprinted(confidence=1.0)
    means = torch.stack([functional.normalize(features[targets == n].double(), dim=1).sum(dim=0) for n in range(5)])
    unit = functional.normalize(means, dim=1)
    expected = (unit - unit.mean(dim=0)) * best / features.double().norm(dim=1).mean()
    torch.testing.assert_close(weight, expected, atol=1e-5, rtol=1e-4)


def test_noisier_classes_get_a_head_that_is_less_sure():
    sure, unsure = (Rows(clusters(noise=noise), 5).imprinted() for noise in (0.3, 2.0))
    assert unsure.norm() < sure.norm()


def test_what_all_features_have_in_common_does_not_matter():
    features, targets = clusters(common=5.0)
    rows = Rows((features, targets), 5)
    rows.imprinted()
    assert (rows.model(features).argmax(dim=1) == targets).float().mean() > 0.9


def test_confidence_scales_the_logits():
    half, whole = (Rows(clusters(), 5).imprinted(confidence=confidence) for confidence in (0.5, 1.0))
    torch.testing.assert_close(half * 2, whole)


def test_a_label_without_rows_gets_no_weights():
    features, targets = clusters()
    weight = Rows((features, targets), 6).imprinted()
    assert not weight[5].any()
    assert weight[:5].any(dim=1).all()


def test_one_row_per_label_is_enough():
    features, targets = clusters(rows=1)
    rows = Rows((features, targets), 5)
    assert torch.isfinite(rows.imprinted()).all()
    assert (rows.model(features).argmax(dim=1) == targets).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_first_evaluation_is_better_than_guessing(name):
    """On every architecture the head's own inputs are what it is made from."""
    toy = MODELS[name]()
    plain = toy.loss().item()
    ToyRun([Imprint()], toy, 1).train(0)
    toy.model.model.eval()
    assert toy.loss().item() < plain


def test_only_the_head_changes_and_a_resumed_run_does_not_begin_again():
    before = snapshot(pooled_bert().model.model)
    run = ToyRun([Imprint()], pooled_bert(), 4).train(0)
    changed = {name for name, tensor in snapshot(run.progress.model).items() if not torch.equal(tensor, before[name])}
    assert changed == {"classifier.weight"}
    run.train(2)
    weights = snapshot(run.progress.model)
    run.train(2)
    assert all(torch.equal(weights[name], tensor) for name, tensor in snapshot(run.progress.model).items())


def test_several_labels_per_row_have_no_means():
    features, targets = clusters()
    rows = Rows((features, functional.one_hot(targets).float()), 5)
    with pytest.raises(CapabilityError, match="imprint needs a task with one label per row"):
        rows.imprinted()


def test_a_model_without_a_linear_head_is_told_so():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(CapabilityError, match="Sequential has none in its head"):
        Imprint().start(Progress(model, 0, 1, head=("1",)))
