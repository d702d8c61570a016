"""Who is taken for whom."""

import numpy as np

from dianji.report.blocks import Figure, Paragraph, Table
from dianji.report.sections.confusion import CONFUSION
from dianji.report.subject import Subject


def told(subject, counts, labels):
    fresh = Subject(subject.folder, subject.manifest)
    classes = {"test": {"labels": {label: {} for label in labels}, "confusion": counts}}
    fresh.__dict__["measured"] = {"metrics": {"test": {}}, "classes": classes}
    return CONFUSION.tell(fresh)


def test_counts_shares_and_pairs(subject):
    figure, counts, pairs = told(subject, [[8, 2, 0], [0, 5, 0], [1, 0, 3]], "abc")
    assert figure.alt.en == "16 of 19 rows lie on the diagonal"
    assert counts.rows[0] == ("a", "8", "2", "0")
    assert pairs.rows == (("a", "b", "2", "20.0 %"), ("c", "a", "1", "25.0 %"))


def test_many_labels_are_drawn_and_not_written_out(subject):
    blocks = told(subject, np.eye(77, dtype=int).tolist(), [f"l{number}" for number in range(77)])
    assert [type(block) for block in blocks] == [Figure, Paragraph]
    assert "No label is ever taken for another." in blocks[1].text.en


def test_several_labels_per_row_are_decisions(subject):
    (table,) = told(subject, [[[5, 1], [2, 3]], [[9, 0], [0, 2]]], "ab")
    assert isinstance(table, Table)
    assert table.rows == (("a", "5", "1", "2", "3"), ("b", "9", "0", "0", "2"))
