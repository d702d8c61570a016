import itertools

import pytest
import torch
import transformers

from dianji.engine.schedules import Constant, Cosine, Exponential, Linear, Polynomial

TOTAL, RISING = 50, 10


def theirs(make, **arguments):
    """transformers' factors of all steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer, num_warmup_steps=RISING, **arguments)
    factors = []
    for _ in range(TOTAL):
        factors.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return factors


@pytest.mark.parametrize(
    ("ours", "make", "arguments"),
    [
        (Constant(warmup=0.2), transformers.get_constant_schedule_with_warmup, {}),
        (Linear(warmup=0.2), transformers.get_linear_schedule_with_warmup, {"num_training_steps": TOTAL}),
        (Cosine(warmup=0.2), transformers.get_cosine_schedule_with_warmup, {"num_training_steps": TOTAL}),
        (
            Polynomial(warmup=0.2, power=3.0, final=0.1),
            transformers.get_polynomial_decay_schedule_with_warmup,
            {"num_training_steps": TOTAL, "power": 3.0, "lr_end": 0.1},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_equals_transformers_after_the_warmup(ours, make, arguments):
    found = [ours.factor(step, TOTAL) for step in range(TOTAL)]
    assert found[RISING:] == pytest.approx(theirs(make, **arguments)[RISING:])


def test_the_first_step_already_moves():
    """transformers' warm-up gives the first step a rate of zero."""
    assert Linear(warmup=0.2).factor(0, TOTAL) == pytest.approx(1 / 11)


def test_a_short_run_has_no_warmup():
    assert [Linear().factor(step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_exponential_falls_by_the_same_factor():
    factors = [Exponential(warmup=0.0, final=0.01).factor(step, 10) for step in range(11)]
    ratios = [after / before for before, after in itertools.pairwise(factors)]
    assert ratios == pytest.approx([0.01**0.1] * 10)
    assert factors[-1] == pytest.approx(0.01)


def test_polynomial_of_power_one_is_a_line():
    assert [Polynomial(power=1.0).factor(step, 30) for step in range(30)] == pytest.approx(
        [Linear().factor(step, 30) for step in range(30)]
    )
