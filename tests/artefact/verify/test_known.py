"""What the ledger at hand knows of an artefact."""

from __future__ import annotations

import shutil
from pathlib import Path

from dianji.artefact.verify import known
from dianji.artefact.verify.subject import Faults
from dianji.store.digest import digest_file
from dianji.store.steps import Store
from dianji.testing.tampering import edit_json
from tests.artefact.conftest import subject_of


def told(folder: Path, store: Store) -> tuple[str, list[str]]:
    faults = Faults()
    return known.check(subject_of(folder), store, faults), [str(fault) for fault in faults.found]


def test_an_artefact_from_elsewhere(artefact: Path, tmp_path: Path) -> None:
    assert "knows nothing of it" in told(artefact, Store(tmp_path / "store"))[0]


def test_somebody_who_computed_everything_anew_is_found_where_it_was_made(artefact: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    step = store.step(subject_of(artefact).manifest.digest)
    shutil.copytree(artefact, step.artefact)
    store.ledger.append("done", step=step.digest, artefact=digest_file(step.artefact / "dianji.json"))
    assert told(step.artefact, store) == (f"it is as the ledger of {store.home} noted it", [])
    for folder in (artefact, step.artefact):
        edit_json(folder / "dianji.json", lambda manifest: {**manifest, "training": {}})
    assert "made elsewhere, or rewritten" in told(artefact, store)[0]
    assert told(artefact, store)[1] == []
    assert told(step.artefact, store)[1] == ["dianji.json: is not what the ledger noted when the step was done"]


def test_a_damaged_ledger_is_said(artefact: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.home.mkdir()
    store.ledger.path.write_text("no ledger\n", encoding="utf-8")
    assert "the ledger cannot be read" in told(artefact, store)[0]
