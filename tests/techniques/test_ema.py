import pytest
import torch

from dianji.techniques.early_stopping import EarlyStopping
from dianji.techniques.ema import Ema
from dianji.techniques.imprint import Imprint
from dianji.testing.adaptation import snapshot
from dianji.testing.technique import ToyRun
from dianji.testing.toys import resnet


def averages(history, decay):
    """The slow oracle: one weight after the other, in double precision."""
    average = {name: tensor.double() for name, tensor in history[0].items() if tensor.is_floating_point()}
    for update, weights in enumerate(history[1:]):
        d = min(decay, (1 + update) / (10 + update))
        average = {name: d * tensor + (1 - d) * weights[name].double() for name, tensor in average.items()}
    return average


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_keeps_the_average_of_all_weights_and_statistics(decay):
    run = ToyRun([Ema(decay)], resnet(), 5)
    history = [snapshot(run.progress.model)]
    for _ in range(5):
        run.step()
        history.append(snapshot(run.progress.model))
    kept = run.finish()
    for name, expected in averages(history, decay).items():
        torch.testing.assert_close(kept[name].double(), expected, atol=1e-6, rtol=1e-5)


def test_evaluations_see_the_average_and_training_does_not():
    plain, averaged = ToyRun([], resnet(), 4).train(4), ToyRun([Ema()], resnet(), 4).train(4)
    assert plain.scores != averaged.scores
    trained = snapshot(plain.progress.model)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in snapshot(averaged.progress.model).items())


def test_the_average_starts_from_what_others_have_set_before_the_first_step():
    run = ToyRun([Imprint(), Ema()], resnet(), 5).train(0)
    head = {name: tensor for name, tensor in snapshot(run.progress.model).items() if "classifier" in name}
    with run.listeners[1].evaluating(run.progress):
        averaged = snapshot(run.progress.model)
    assert all(torch.equal(averaged[name], tensor) for name, tensor in head.items())


def test_early_stopping_restores_the_best_average():
    both = ToyRun([EarlyStopping(patience=10), Ema(0.5)], resnet(), 12, rate=1.0)
    assert [type(listener).__name__ for listener in both.listeners] == ["_Averaging", "_Watching"]
    seen = []
    while both.progress.step < 12:
        both.step()
        with both.listeners[0].evaluating(both.progress):
            seen.append(snapshot(both.progress.model))
        both.evaluate()
    best = max(range(len(seen)), key=lambda number: both.scores[number])
    assert best < len(seen) - 1, "the toy should get worse at this rate, or the test shows nothing"
    kept = both.finish()
    floats = [name for name, tensor in kept.items() if tensor.is_floating_point()]
    assert all(torch.equal(kept[name], seen[best][name]) for name in floats)
