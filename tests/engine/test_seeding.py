"""Every draw follows from the seed and the place in the run."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from dianji.engine.seeding import derive, generator, seed_everything

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.lists(st.integers(0, 10_000), max_size=4))
def test_a_derived_seed_is_a_function_of_its_place_and_fits_torch(seed, where):
    assert derive(seed, *where) == derive(seed, *where)
    assert 0 <= derive(seed, *where) < 2**63


def test_neighbouring_places_do_not_meet():
    places = {derive(seed, 3, step, micro) for seed in range(10) for step in range(100) for micro in range(4)}
    assert len(places) == 4000


def test_every_global_generator_is_seeded():
    def draw():
        return random.random(), float(np.random.rand()), torch.rand(1).item()

    seed_everything(derive(7, 1))
    first = draw()
    assert draw() != first
    seed_everything(derive(7, 1))
    assert draw() == first


def test_a_generator_is_independent_of_the_global_ones():
    first = generator(7, 2, 0).random(4)
    seed_everything(0)
    torch.rand(3)
    assert (generator(7, 2, 0).random(4) == first).all()
    assert (generator(7, 2, 1).random(4) != first).any()
