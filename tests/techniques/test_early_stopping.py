import math

import pytest
import torch

from dianji.techniques.base import Progress, Scores
from dianji.techniques.early_stopping import EarlyStopping


class Watched:
    """A single weight whose value is the number of the evaluation, so that one sees which was kept."""

    def __init__(self, technique):
        self.model = torch.nn.Linear(1, 1, bias=False)
        self.progress = Progress(self.model, 0, 100, trainable=dict(self.model.named_parameters()))
        self.listener = technique.start(self.progress)
        self.evaluations = 0

    def score(self, *values, higher_is_better=True):
        for value in values:
            self.model.weight.data.fill_(self.evaluations)
            self.listener.after_evaluation(self.progress, Scores(value, higher_is_better, {}))
            self.evaluations += 1
        return self

    def kept(self):
        self.listener.finish(self.progress)
        return self.model.weight.item()


def test_stops_after_so_many_evaluations_without_improvement():
    watched = Watched(EarlyStopping(patience=2)).score(0.5, 0.6, 0.6)
    assert watched.progress.stop_reason is None
    watched.score(0.59)
    assert watched.progress.stop_reason == "early stopping: 2 evaluations without improvement, best 0.6"
    assert watched.kept() == 1


def test_an_improvement_starts_the_wait_anew():
    watched = Watched(EarlyStopping(patience=2)).score(0.5, 0.4, 0.6, 0.5, 0.7, 0.6)
    assert watched.progress.stop_reason is None
    assert watched.kept() == 4


def test_lower_may_be_better():
    watched = Watched(EarlyStopping(patience=2)).score(3.0, 2.0, 2.5, 2.1, higher_is_better=False)
    assert watched.progress.stop_reason is not None
    assert watched.kept() == 1


def test_a_gain_below_the_minimum_is_none():
    watched = Watched(EarlyStopping(patience=2, minimum_delta=0.01)).score(0.5, 0.505, 0.509)
    assert watched.progress.stop_reason is not None
    assert watched.kept() == 0


def test_small_gains_add_up_against_the_best():
    watched = Watched(EarlyStopping(patience=3, minimum_delta=0.01)).score(0.5, 0.509, 0.511)
    assert watched.kept() == 2


def test_no_number_is_never_the_best():
    watched = Watched(EarlyStopping(patience=2)).score(math.nan, math.nan)
    assert watched.progress.stop_reason == (
        "early stopping: 2 evaluations without improvement, no evaluation gave a number"
    )
    assert watched.kept() == 1, "nothing to restore"
    assert Watched(EarlyStopping()).score(math.nan, 0.1, math.nan).kept() == 1


@pytest.mark.parametrize("at", [1, 2, 3])
def test_goes_on_waiting_after_a_restart(at):
    scores = (0.6, 0.5, 0.5, 0.5)
    before = Watched(EarlyStopping(patience=3)).score(*scores[:at])
    after = Watched(EarlyStopping(patience=3))
    after.listener.restore(before.listener.state())
    after.evaluations = at
    after.score(*scores[at:])
    assert after.progress.stop_reason == "early stopping: 3 evaluations without improvement, best 0.6"
    assert after.kept() == 0
