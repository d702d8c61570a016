"""Artefacts of released versions: every later release must open, verify and reproduce them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dianji
from dianji import verbs
from dianji.store.steps import Store
from tests.conftest import ROOT

RELEASES = sorted((ROOT / "tests" / "golden").glob("artefact-*"))


def test_there_is_one() -> None:
    assert [folder.name for folder in RELEASES][:1] == ["artefact-0.1.0"]


@pytest.mark.parametrize("release", RELEASES, ids=lambda folder: folder.name)
def test_it_predicts_what_it_predicted_then(release: Path) -> None:
    model = dianji.open(release / "artefact")
    assert model.reproduce() <= 1e-5
    expected = json.loads((release / "expected.json").read_text(encoding="utf-8"))
    found = [prediction.to_json(everything=True) for prediction in model.predict(list(expected))]
    for prediction, then in zip(found, expected.values(), strict=True):
        assert prediction["label"] == then["label"]
        assert prediction["probabilities"] == pytest.approx(then["probabilities"], abs=1e-5)


@pytest.mark.parametrize("release", RELEASES, ids=lambda folder: folder.name)
def test_it_is_verified_with_every_single_prediction(release: Path, tmp_path: Path) -> None:
    data = str(release / "questions.csv")
    found = verbs.verify(release / "artefact", data=data, store=Store(tmp_path))
    assert found.faults == ()
    assert {check.name: check.state for check in found.checks if check.state != "passed"} == {}
    assert [split.split for split in found.predictions] == ["validation", "test"]
    assert all(split.compared == split.rows > 0 for split in found.predictions)
