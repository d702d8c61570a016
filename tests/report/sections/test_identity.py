"""What it is."""

from dianji.report.blocks import Table, Words
from dianji.report.sections.identity import IDENTITY
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.rendered import blocks


def facts(subject):
    table = next(block for block in blocks(IDENTITY, subject) if isinstance(block, Table))
    return {sure(Words, name).en: value for name, value in table.rows}


def test_the_manifest_is_told_in_words(subject):
    told = facts(subject)
    assert told["task"] == "text-classification"
    assert told["techniques"] == "early-stopping (patience 3)"
    assert told["labels"] == "3"
    assert subject.manifest.digest == told["digest of the step"]
    assert isinstance(told["finished"], Words)


def test_the_store_knows_when_it_was_finished(subject, tmp_path):
    folder = tmp_path / "artefact"
    folder.mkdir()
    (tmp_path / "DONE").write_text("2026-01-02T03:04:05+00:00\n")
    assert facts(Subject(folder, subject.manifest))["finished"] == "2026-01-02T03:04:05+00:00"
