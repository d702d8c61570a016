"""What a model writes: the worst, the middle and the best, with nothing shown that must not be."""

import numpy as np

from dianji.evaluate.generated import Generated
from dianji.report.blocks import Words
from dianji.report.sections.written import WRITTEN, _table, ranked
from dianji.testing import toys


def test_rows_are_the_worst_some_in_the_middle_and_the_best():
    references = [f"reference number {row}" for row in range(40)]
    outcome = Generated.of([text[: 1 + row // 2] for row, text in enumerate(references)], references)
    found = ranked(outcome) or []
    assert len(found) == 15
    qualities = [quality for _, quality in found]
    assert qualities == sorted(qualities)
    assert qualities[0] == outcome.quality().min()
    assert qualities[-1] == outcome.quality().max()


def test_few_rows_are_all_shown_once():
    outcome = Generated.of(["a", "bc", "d"], ["a", "bd", "e"])
    assert sorted(row for row, _ in ranked(outcome) or []) == [0, 1, 2]


def test_references_stand_beside_answers_and_inputs():
    outcome = Generated.of(["rotes Haus"], ["das rote Haus"])
    table = _table(outcome, [(0, 0.5)], ["the red house"])
    assert table.rows == (("1", "50.0 %", "das rote Haus", "rotes Haus", "the red house"),)
    assert len(table.header) == 5
    assert all(isinstance(cell, Words) for cell in table.header)


def test_outcomes_that_are_right_or_wrong_have_no_such_section(subject):
    assert WRITTEN.tell(subject) is None
    assert ranked(subject.record.outcome) is None


def test_nothing_is_said_of_no_rows():
    assert ranked(toys.outcome(Generated, 0.5).take(np.arange(0))) is None
