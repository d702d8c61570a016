"""A copy of the golden artefact to do with as one likes: no test here has to train."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dianji.artefact.verify import checks
from dianji.artefact.verify.subject import Faults, Subject, read_manifest
from dianji.store.steps import Store
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "artefact-0.1.0"


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "artefact", tmp_path / "artefact"))


def subject_of(folder: Path) -> Subject:
    faults = Faults()
    manifest = read_manifest(folder, faults)
    assert manifest is not None, faults.found
    return Subject(folder, manifest)


def faults_by_check(folder: Path, again: checks.Again | None = None) -> dict[str, list[str]]:
    """Name of each check that found something -> what."""
    found = checks.verify(folder, Store(folder.parent / "store"), again)
    return {check.name: [str(fault) for fault in check.faults] for check in found.checks if check.faults}
