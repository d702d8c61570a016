from __future__ import annotations

from tests.benchmarks.loading import load

sets = load("suite.sets")

ROWS = [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "c")]


def test_the_first_row_of_every_label_is_among_those_taken():
    assert sets.covering(ROWS, 3) == [("1", "a"), ("3", "b"), ("5", "c")]
    assert sets.covering(ROWS, 4) == [("1", "a"), ("2", "a"), ("3", "b"), ("5", "c")]


def test_all_rows_stay_in_their_order():
    assert sets.covering(ROWS, 99) == ROWS
