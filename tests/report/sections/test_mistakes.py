"""Surest mistakes: the right rows, in the right order, with their inputs where there are any."""

import dataclasses

import numpy as np
import pytest

from dianji.evaluate.labelled import Classified, Tagged
from dianji.report.blocks import Paragraph, Table, Thumbnail, Words
from dianji.report.rows import SourceRows
from dianji.report.sections.mistakes import GONE, MISTAKES, mistakes
from dianji.report.subject import Subject
from dianji.testing import toys
from tests.narrow import sure
from tests.report.rendered import blocks
from tests.report.toy import artefact, texts


def test_the_surest_come_first():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.01, 0.99]], dtype=np.float32)
    found = mistakes(Classified(("a", "b"), np.array([1, 0, 1, 1]), probabilities)) or []
    assert [(of.row, of.true, of.given) for of in found] == [(0, "b", "a"), (1, "a", "b")]
    assert found[0].confidence == pytest.approx(0.9)


def test_of_several_labels_the_surest_wrong_decision_counts():
    target = np.array([[True, False], [False, False]])
    found = mistakes(Tagged(("a", "b"), target, np.array([[0.9, 0.8], [0.4, 0.05]], dtype=np.float32))) or []
    assert [(of.row, of.true, of.given) for of in found] == [(0, "a", "a, b")]
    assert found[0].confidence == pytest.approx(0.8)


def test_each_mistake_stands_beside_its_own_text(subject):
    (block,) = blocks(MISTAKES, subject)
    table = sure(Table, block)
    outcome = subject.record.outcome
    assert len(table.rows) == min(20, int((outcome.probabilities.argmax(axis=1) != outcome.target).sum()))
    for number, true, given, _, text in table.rows:
        row = int(sure(str, number)) - 1
        assert true == outcome.labels[outcome.target[row]] != given
        assert sure(str, text).removesuffix("…") in " ".join(subject.rows.value(row).split())


def test_without_the_data_it_says_so_and_tells_the_rest(tmp_path):
    data = texts(tmp_path / "questions.csv")
    folder = artefact(tmp_path / "model", data)
    data.unlink()
    note, table = blocks(MISTAKES, Subject.open(folder))
    assert sure(Paragraph, note).note
    assert "Made without the rows themselves" in sure(Words, sure(Paragraph, note).text).en
    assert len(sure(Table, table).header) == 4


def test_rows_that_are_gone_are_marked(subject):
    fresh = Subject(subject.folder, subject.manifest)
    place = np.where(np.arange(len(subject.rows.place)) < 5, subject.rows.place, -1)
    fresh.__dict__["rows"] = dataclasses.replace(subject.rows, place=place, changed=True)
    note, table = blocks(MISTAKES, fresh)
    assert f"{(place < 0).sum()} of {len(place)}" in sure(Words, sure(Paragraph, note).text).en
    assert GONE in {row[4] for row in sure(Table, table).rows}


def test_pictures_are_shown_small_and_broken_ones_are_told(subject):
    images = toys.image_table().select(["image"])
    fresh = Subject(subject.folder, subject.manifest)
    outcome = toys.outcome(Classified, 0.0, rows=24)
    fresh.__dict__["record"] = dataclasses.replace(subject.record, outcome=outcome)
    place = np.arange(24)
    fresh.__dict__["rows"] = SourceRows(images, "image", "image", place, place, changed=False)
    (block,) = blocks(MISTAKES, fresh)
    table = sure(Table, block)
    assert all(isinstance(row[4], Thumbnail) for row in table.rows)
    assert sure(Thumbnail, table.rows[0][4]).png.startswith(b"\x89PNG")
    broken = images.set_column(0, "image", [[b"no image"] * 24])
    fresh.__dict__["rows"] = dataclasses.replace(fresh.rows, table=broken)
    (block,) = blocks(MISTAKES, fresh)
    assert "cannot be shown" in sure(Words, sure(Table, block).rows[0][4]).en


def test_no_mistakes_is_said(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["record"] = dataclasses.replace(subject.record, outcome=toys.outcome(Classified, 1.0))
    (told,) = blocks(MISTAKES, fresh)
    assert isinstance(told, Paragraph)
    assert not isinstance(told, Table)
    assert told.text == Words("The model made no mistake on these rows.", "模型在这些行上没有犯错。")
