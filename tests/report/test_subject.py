"""The artefact a report is about."""

import pytest

from dianji.artefact.record import Record
from dianji.errors import ArtefactError
from dianji.report.subject import Subject
from tests.narrow import sure
from tests.report.toy import artefact, texts


def test_evidence_and_record_are_those_of_the_test_split(subject):
    assert subject.split == "test"
    assert subject.primary == "accuracy"
    assert subject.record.outcome.rows == subject.evidence("data")["rows"]["test"]
    assert subject.evidence("nothing") == {}


def test_without_a_test_split_validation_is_told(subject):
    fresh = Subject(subject.folder, subject.manifest)
    fresh.__dict__["measured"] = {"metrics": {"validation": {"macro-f1": {}}}}
    assert (fresh.split, fresh.primary) == ("validation", "macro-f1")
    assert sure(Record, fresh.record).outcome.rows == subject.evidence("data")["rows"]["validation"]


def test_a_file_that_was_changed_is_not_reported_on(tmp_path):
    folder = artefact(tmp_path / "model", texts(tmp_path / "questions.csv"))
    path = folder / "evidence" / "metrics.json"
    path.write_text(path.read_text().replace("0.", "0.9", 1))
    with pytest.raises(ArtefactError, match=r"evidence/metrics\.json: changed"):
        Subject.open(folder)


def test_damaged_evidence_is_named(subject, tmp_path):
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "cost.json").write_text("{")
    with pytest.raises(ArtefactError, match=r"cost\.json: damaged"):
        Subject(tmp_path, subject.manifest).evidence("cost")
