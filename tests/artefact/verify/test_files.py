"""What lies in the folder against what the manifest names."""

from __future__ import annotations

import os
from pathlib import Path

from dianji.artefact.verify import files
from dianji.artefact.verify.subject import Faults
from dianji.testing.tampering import cover_up, edit_json
from tests.artefact.conftest import subject_of


def told(folder: Path) -> dict[str, str]:
    faults = Faults()
    files.check(subject_of(folder), faults)
    return {fault.place: fault.message for fault in faults.found}


def test_a_clean_folder(artefact: Path) -> None:
    assert told(artefact) == {}


def test_each_fault_is_named_with_its_place(artefact: Path) -> None:
    (artefact / "new.txt").touch()
    (artefact / "evidence" / "cost.json").unlink()
    (artefact / "README.md").write_text("other", encoding="utf-8")
    found = told(artefact)
    assert set(found) == {"new.txt", "evidence/cost.json", "README.md"}
    assert "missing" in found["evidence/cost.json"]
    assert "its sha256 is" in found["README.md"]


def test_a_pipe_is_no_file_and_is_not_waited_for(artefact: Path) -> None:
    os.mkfifo(artefact / "evidence" / "pipe")
    assert told(artefact) == {"evidence/pipe": "is neither a file nor a folder"}


def test_a_dangling_link_is_told(artefact: Path) -> None:
    (artefact / "link").symlink_to("nowhere")
    assert "is a link (to nowhere)" in told(artefact)["link"]


def test_what_every_artefact_has_is_missed_although_the_manifest_does_not(artefact: Path) -> None:
    (artefact / "probe.safetensors").unlink()
    cover_up(artefact)
    assert "every artefact has one" in told(artefact)["probe.safetensors"]


def test_a_manifest_must_not_lead_out_of_the_folder(artefact: Path) -> None:
    (artefact.parent / "outside.json").write_text("{}", encoding="utf-8")
    edit_json(artefact / "dianji.json", lambda m: {**m, "files": {**m["files"], "../outside.json": "0" * 64}})
    assert "leads out of the folder" in told(artefact)["../outside.json"]
