"""Wilson's interval: its equation, and honest at the ends."""

import math

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from dianji.errors import DataError
from dianji.evaluate.proportion import wilson


@given(integers(1, 500), integers(0, 500))
def test_the_ends_are_as_far_from_the_share_as_their_own_error(rows, hits):
    hits = min(hits, rows)
    found = wilson(hits, rows)
    assert 0 <= found.low <= found.value == hits / rows <= found.high <= 1
    for end in (found.low, found.high):
        if 0 < end < 1:  # the definition: |share - end| = z * sqrt(end * (1 - end) / rows)
            assert abs(found.value - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / rows), abs=1e-6)


def test_all_of_few_is_not_certain():
    assert wilson(10, 10).low == pytest.approx(0.7225, abs=1e-4)
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)


def test_a_higher_level_is_wider():
    assert wilson(5, 10, 0.99).low < wilson(5, 10).low


def test_no_rows():
    with pytest.raises(DataError, match="no rows"):
        wilson(0, 0)
