"""One artefact for all tests that only read it."""

from pathlib import Path

import pytest

from dianji.report.subject import Subject
from tests.report.toy import artefact, texts


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact whose data is there."""
    home = tmp_path_factory.mktemp("reported")
    return artefact(home / "model", texts(home / "questions.csv"))


@pytest.fixture
def subject(folder: Path) -> Subject:
    """The same, opened."""
    return Subject.open(folder)
