"""All checks together: clean copies pass, twenty kinds of tampering are found, and nothing unsafe is opened."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dianji.artefact.opened import Model
from dianji.artefact.verify import checks
from dianji.errors import ArtefactError
from dianji.store.steps import Store
from dianji.testing.tampering import KINDS, cover_up, edit_json
from tests.artefact.conftest import faults_by_check

FOUND_BY = {
    "file added": "files",
    "folder added": "files",
    "file missing": "files",
    "one bit of the weights flipped": "files",
    "file replaced by a link": "files",
    "folder replaced by a link": "files",
    "probe.json swapped": "files",
    "probe.json swapped, manifest rewritten": "probe",
    "probe emptied, manifest rewritten": "probe",
    "scores edited": "files",
    "scores edited, manifest rewritten": "evidence",
    "predictions edited, manifest rewritten": "evidence",
    "model card edited, manifest rewritten": "card",
    "manifest from a newer version": "manifest",
    "labels swapped in the manifest": "evidence",
    "other data claimed": "lineage",
    "another learning rate claimed, manifest rewritten": "lineage",
    "weights changed, manifest rewritten": "probe",
    "a tensor named twice, manifest rewritten": "formats",
    "pickle added, manifest rewritten": "formats",
}


def test_a_clean_copy_passes_wherever_it_lies(artefact: Path) -> None:
    assert faults_by_check(artefact) == {}
    renamed = artefact.rename(artefact.parent / "意图 模型")
    assert faults_by_check(renamed) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_tampering_is_found_by_the_check_that_is_for_it(artefact: Path, kind: str) -> None:
    KINDS[kind](artefact)
    assert FOUND_BY[kind] in faults_by_check(artefact)


def test_everything_is_told_at_once(artefact: Path) -> None:
    for kind in ("file added", "file missing", "scores edited", "model card edited, manifest rewritten"):
        KINDS[kind](artefact)
    (artefact / "late.txt").touch()
    assert {"files", "evidence", "card"} <= faults_by_check(artefact).keys()


@pytest.mark.parametrize("kind", ["file added", "pickle added, manifest rewritten", "manifest from a newer version"])
def test_nothing_of_an_altered_folder_is_opened(artefact: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("opened")

    KINDS[kind](artefact)
    monkeypatch.setattr("dianji.artefact.verify.proof.FRESH.check", refuse)
    monkeypatch.setattr(Model, "open", refuse)
    found = checks.verify(artefact, Store(artefact.parent / "store"))
    probe = next(check for check in found.checks if check.name == "probe")
    assert not found.ok
    assert probe.state == "not made"
    assert "failed" in probe.skipped


def test_every_check_is_told_of_whatever_happens(artefact: Path) -> None:
    names = [name for name in checks.ABOUT if name != "predictions"]
    for damage in (
        lambda: None,
        lambda: (artefact / "x.txt").touch(),
        lambda: (artefact / "dianji.json").write_text("{"),
    ):
        damage()
        found = checks.verify(artefact, Store(artefact.parent / "store"))
        assert [check.name for check in found.checks] == names
        assert found.to_json()["ok"] is found.ok


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("seed", "five", "seed: .*found 'five'"),
        ("files", ["README.md"], "files"),
        ("adaptation", {"name": "no-such-thing@1", "arguments": {}}, "there is no adaptation 'no-such-thing@1'"),
        ("parents", [], "parents: expected .* found"),
    ],
)
def test_a_manifest_of_another_shape(artefact: Path, key: str, value: object, told: str) -> None:
    edit_json(artefact / "dianji.json", lambda manifest: {**manifest, key: value})
    faults = faults_by_check(artefact)
    assert re.search(told, "\n".join([*faults.get("manifest", []), *faults.get("lineage", [])]))


def test_a_document_of_another_shape_is_a_fault_and_no_crash(artefact: Path) -> None:
    for name in ("metrics", "spec", "recipe", "data", "lineage", "cost"):
        edit_json(artefact / "evidence" / f"{name}.json", lambda document: [1, {"a": None}])
    (artefact / "README.md").write_text("# hello\n", encoding="utf-8")
    edit_json(artefact / "probe.json", lambda document: {"texts": 3})
    cover_up(artefact)
    assert {"lineage", "evidence", "card", "probe"} <= faults_by_check(artefact).keys()


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="expected a folder that a stage left, found nothing"):
        checks.verify(tmp_path / "nothing", Store(tmp_path))


def test_an_empty_folder_is_no_artefact(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no dianji.json in it" in faults_by_check(tmp_path / "empty")["manifest"][0]


def test_a_folder_behind_a_link_is_the_folder(artefact: Path) -> None:
    link = artefact.parent / "link"
    link.symlink_to(artefact, target_is_directory=True)
    assert faults_by_check(link) == {}
    shutil.rmtree(artefact)
