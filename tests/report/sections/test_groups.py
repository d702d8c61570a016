"""Rows in groups: numbers by their size, similarities by score, and what is furthest off."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from dianji.evaluate.conversed import Conversed
from dianji.evaluate.labelled import Classified
from dianji.evaluate.ranked import Retrieval
from dianji.evaluate.regressed import Regressed
from dianji.evaluate.similar import Similarity
from dianji.report.blocks import Words
from dianji.report.sections.groups import GROUPS
from dianji.report.subject import Subject
from dianji.testing import toys

GONE = Words("The data is gone.", "数据已不在。")


def told(outcome) -> Any:
    subject = SimpleNamespace(record=SimpleNamespace(outcome=outcome), shown_rows=GONE)
    return GROUPS.tell(cast(Subject, subject))


def test_one_number_is_told_by_its_size_and_the_worst_rows_come_first():
    truth = np.arange(10.0)[:, None]
    given = truth + np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 3.0])[:, None]
    groups, note, furthest = told(Regressed(("score",), truth, given, (2.0,)))
    assert [row[0] for row in groups.rows] == ["0 – 1.8", "1.8 – 3.6", "3.6 – 5.4", "5.4 – 7.2", "7.2 – 9"]
    assert sum(int(row[1]) for row in groups.rows) == 10
    assert note.note
    assert furthest.rows[0] == ("10", "9", "12", "1.5000")


def test_several_numbers_are_told_one_by_one():
    outcome = toys.outcome(Regressed, 0.5)
    groups = told(outcome)[0]
    assert [row[0] for row in groups.rows] == ["score", "price"]
    assert float(groups.rows[0][4]) == np.round(np.abs(outcome.given - outcome.target)[:, 0].mean(), 4)


def test_similarities_and_ranks_have_groups_without_errors():
    for kind in (Similarity, Retrieval):
        (table,) = told(toys.outcome(kind, 0.5))
        assert table.rows
        assert all(isinstance(cell, Words) for cell in table.header[1:2])


def test_labels_have_no_groups():
    assert told(toys.outcome(Classified, 0.5)) is None
    assert told(toys.outcome(Similarity, 0.5).take(np.arange(0))) is None


def test_the_loss_of_each_turn_has_a_row():
    outcome = toys.outcome(Conversed, 0.5)
    (table,) = told(outcome)
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    assert int(table.rows[0][1]) == outcome.rows
    assert sum(int(row[1]) for row in table.rows) == len(outcome.turn_nll.values)
