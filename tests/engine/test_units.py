"""Examples that share a batch: each once an epoch, together, counted as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.engine.batches import BatchOrder, Size
from dianji.engine.units import Units


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.builds(Size, examples=st.integers(1, 6)) | st.builds(Size, tokens=st.integers(1, 60)),
    st.integers(1, 3),
)
def test_every_example_is_there_once_with_its_unit(numbers, size, epoch):
    found = np.array(numbers)
    lengths = 1 + found  # examples of a unit say the same
    order = BatchOrder(lengths, size, 2, 5, units=found)
    batches = [batch for step in order.steps(epoch) for batch in step]
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(numbers)))
    for batch in batches:
        held = found[batch]
        assert all((held == unit).sum() == (found == unit).sum() for unit in held)
        assert len({int((found == unit).sum()) for unit in held}) == 1  # units of one size
        if size.examples is not None:
            assert len(set(held.tolist())) <= size.examples
    again = [batch for step in order.steps(epoch) for batch in step]
    assert all((one == two).all() for one, two in zip(batches, again, strict=True))


def test_without_company_nothing_changes():
    lengths = np.arange(1, 50)
    plain = BatchOrder(lengths, Size(examples=8), 1, 5).steps(0)
    alone = BatchOrder(lengths, Size(examples=8), 1, 5, units=np.arange(49)).steps(0)
    assert sorted(batch.tolist() for (batch,) in plain) == sorted(batch.tolist() for (batch,) in alone)


def test_an_epoch_has_as_many_steps_as_there_are_batches_of_units():
    numbers = np.repeat(np.arange(24), 2)
    order = BatchOrder(np.full(48, 7), Size(examples=8), 1, 5, units=numbers)
    assert order.total(1.0) == 3
    assert {len(batch) for step in order.steps(0) for batch in step} == {16}


@pytest.mark.parametrize("numbers", [[3, 1, 3, 0, 1], [0], [5, 5, 5]])
def test_units_know_their_examples_and_the_longest(numbers):
    lengths = np.arange(1, len(numbers) + 1)
    made = Units.of(np.array(numbers), lengths)
    for place, unit in enumerate(sorted(set(numbers))):
        expected = np.flatnonzero(np.array(numbers) == unit)
        assert made.examples(np.array([place])).tolist() == expected.tolist()
        assert made.lengths[place] == lengths[expected].max()
