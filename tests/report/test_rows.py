"""Rows behind a record: the same rows, or none, and said why."""

import shutil

import pytest

from dianji.report.blocks import Words
from dianji.report.rows import SourceRows
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.toy import LABELS, artefact, rewrite, texts


@pytest.fixture
def made(tmp_path):
    data = texts(tmp_path / "questions.csv")
    return artefact(tmp_path / "model", data), data


def test_each_row_is_the_one_that_was_measured(subject):
    rows, outcome = subject.rows, subject.record.outcome
    assert isinstance(rows, SourceRows)
    assert not rows.changed
    beginnings = {"where": LABELS[0], "I": LABELS[1], "我想要退款，请快一点": LABELS[2]}
    told = [beginnings[rows.value(row).split(" ")[0]] for row in range(outcome.rows)]
    assert told == [LABELS[target] for target in outcome.target]
    assert all(rows.length[row] == len(rows.value(row)) for row in range(outcome.rows))


def test_data_that_is_gone(made):
    folder, data = made
    data.unlink()
    told = Subject.open(folder).rows
    assert isinstance(told, Words)
    assert "could not be read again" in told.en
    assert str(data) in told.zh


def test_data_that_is_another(made):
    folder, data = made
    data.write_text("query,intent\n" + "".join(f"new {row},a{row % 2}\n" for row in range(40)))
    told = Subject.open(folder).rows
    assert isinstance(told, Words)
    assert "none of the rows" in told.en


def test_data_that_has_fewer_rows(made):
    folder, data = made
    lines = data.read_bytes().splitlines(keepends=True)
    data.write_bytes(b"".join(line for row, line in enumerate(lines) if row % 2 == 0))
    found = Subject.open(folder).rows
    assert isinstance(found, SourceRows)
    assert found.changed
    there = found.place >= 0
    assert 0 < there.sum() < len(there)
    assert found.value(int((~there).argmax())) is None


def test_without_a_recipe_or_a_record(made):
    folder, _ = made
    (folder / "evidence" / "recipe.json").unlink()
    rewrite(folder)
    assert "recipe" in sure(Words, Subject.open(folder).rows).en
    (folder / "evidence" / "test.safetensors").unlink()
    rewrite(folder)
    assert "record" in sure(Words, Subject.open(folder).rows).en


def test_a_task_that_is_not_installed(made):
    folder, _ = made
    rewrite(folder, task={"name": "unheard-of@1", "arguments": {"labels": list(LABELS)}})
    assert "unheard-of" in sure(Words, Subject.open(folder).rows).en


def test_a_copy_tells_the_same(made, tmp_path):
    folder, _ = made
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    copied, there = (sure(SourceRows, Subject.open(where).rows) for where in (copy, folder))
    assert (copied.place == there.place).all()
