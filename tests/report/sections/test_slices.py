"""Slices: every row in one, honest intervals, marks only where chance is unlikely."""

import numpy as np
import pyarrow as pa

from dianji.evaluate.labelled import Classified
from dianji.report.blocks import Table, Words
from dianji.report.rows import SourceRows
from dianji.report.sections.slices import SLICES, by_frequency, by_language, by_length
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def rows(values, gone=()):
    place = np.array([-1 if row in gone else row for row in range(len(values))])
    length = np.where(place >= 0, [len(value) for value in values], 0)
    return SourceRows(pa.table({"text": values}), "text", "text", place, length, changed=bool(gone))


def test_lengths_make_four_slices_of_all_rows_that_are_there():
    found = list(by_length(rows(["x" * number for number in range(1, 41)], gone={0, 7})))
    assert [len(of.rows) for of in found] == [10, 9, 9, 10]
    assert found[0].name == "2 – 12"
    assert sorted(np.concatenate([of.rows for of in found])) == [row for row in range(40) if row not in {0, 7}]


def test_equal_lengths_are_one_slice():
    (one,) = by_length(rows(["same"] * 12))
    assert one.name == "4"


def test_languages_are_sliced_where_there_are_several():
    english, chinese = ["where is my card and what do I do"] * 15, ["我的卡还没有到"] * 12
    assert [(of.name, len(of.rows)) for of in by_language(rows(english + chinese))] == [("en", 15), ("zh", 12)]
    assert list(by_language(rows(english))) == []
    assert list(by_language(rows(english + chinese[:3]))) == []


def test_labels_are_grouped_by_what_there_was_to_learn_from():
    target = np.repeat(np.arange(4), 20)
    outcome = Classified(tuple("abcd"), target, np.eye(4, dtype=np.float32)[target])
    found = list(by_frequency(outcome, {"a": 5, "b": 10, "c": 20, "d": 40}))
    assert [of.name for of in found] == ["5", "10", "20", "40"]
    assert list(by_frequency(outcome, {})) == []


def told(hits, values):
    target = np.zeros(len(hits), dtype=np.int64)
    probabilities = np.where(np.array(hits)[:, None], [[0.9, 0.1]], [[0.1, 0.9]]).astype(np.float32)
    fresh = Subject.__new__(Subject)
    outcome = Classified(("a", "b"), target, probabilities)
    fresh.__dict__.update(record=type("R", (), {"outcome": outcome})(), rows=rows(values), evidence=lambda name: {})
    return SLICES.tell(fresh)


def test_a_clear_difference_is_marked_and_chance_is_not():
    long_ones_wrong = [True] * 90 + [False] * 30
    table, how = told(long_ones_wrong, ["x" * number for number in range(1, 121)])
    assert [getattr(row[5], "en", "") for row in table.rows] == ["above the whole"] * 3 + ["below the whole"]
    assert "4 slices" in how.text.en
    even = [row % 4 != 0 for row in range(120)]
    table, _ = told(even, ["x" * number for number in range(1, 121)])
    assert {row[5] for row in table.rows} == {""}


def test_the_slices_of_an_artefact(subject):
    table = sure(Table, blocks(SLICES, subject)[0])
    assert {sure(Words, row[0]).en for row in table.rows} >= {"language"}


def test_slices_of_few_rows_are_left_out():
    assert told([True] * 12, ["x" * number for number in range(1, 13)]) is None
