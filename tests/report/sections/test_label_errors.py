"""Likely label errors among held-out rows."""

import dataclasses

import numpy as np

from dianji.evaluate.labelled import Classified
from dianji.report.blocks import Paragraph, Table, Words
from dianji.report.sections.label_errors import LABEL_ERRORS
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def flipped(rows=60, labels=4, wrong=(3, 17)):
    """A sure model, and two labels that are not what it says; the last label never occurs."""
    truth = np.arange(rows) % (labels - 1)
    target = truth.copy()
    target[list(wrong)] = (truth[list(wrong)] + 1) % (labels - 1)
    probabilities = np.full((rows, labels), 0.02)
    probabilities[np.arange(rows), truth] = 0.94
    return Classified(tuple("abcd"[:labels]), target, probabilities.astype(np.float32))


def test_flipped_labels_are_found():
    assert sorted(suspect.row for suspect in flipped().suspects()) == [3, 17]
    assert flipped(wrong=()).suspects() == []


def test_each_suspect_stands_with_its_text(subject):
    fresh = Subject(subject.folder, subject.manifest)
    rows = subject.record.outcome.rows
    fresh.__dict__["record"] = dataclasses.replace(subject.record, outcome=flipped(rows))
    paragraph, second = blocks(LABEL_ERRORS, fresh)
    text, table = sure(Words, sure(Paragraph, paragraph).text), sure(Table, second)
    assert text.en.startswith(f"2 of the {rows} labels of test are probably wrong")
    assert "held-out rows" in text.en
    assert f"测试集的 {rows} 个标签中有 2 个" in text.zh
    assert {row[0] for row in table.rows} == {"4", "18"}
    shown = sure(str, {row[0]: row[5] for row in table.rows}["4"])
    assert " ".join(subject.rows.value(3).split()).startswith(shown[:40])
    fresh.__dict__["rows"] = Words("gone", "没了")
    assert len(sure(Table, blocks(LABEL_ERRORS, fresh)[2]).header) == 5


def test_without_a_record_nothing_is_judged(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["record"] = None
    assert LABEL_ERRORS.tell(fresh) is None
