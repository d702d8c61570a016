"""The log: what the ledger tells, with what the store still has."""

from __future__ import annotations

import shutil

import pytest

from dianji import verbs
from dianji.errors import ArtefactError
from dianji.store.steps import Store
from dianji.testing.tampering import cover_up
from tests.artefact.conftest import GOLDEN

METRICS = {"metrics": {"test": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 10}}}}
PARENT = {"kind": "base", "name": "minilm", "digest": "b" * 32}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def begin(store, step, **facts):
    store.step(step).folder.mkdir(parents=True, exist_ok=True)
    store.step(step).begin({})
    store.ledger.append("begin", recipe="bank", stage="intent", step=step, **facts)


def end(store, step):
    store.ledger.append("done", recipe="bank", stage="intent", step=step)
    store.step(step).finish(METRICS)


def test_a_run_is_told_with_its_data_parents_and_score(store):
    begin(store, "s1", data={"rows": "d" * 64}, parent=PARENT)
    end(store, "s1")
    (run,) = verbs.log(store)
    assert (run.recipe, run.stage, run.step, run.state) == ("bank", "intent", "s1", "done")
    assert run.data == {"rows": "d" * 64}
    assert run.parent is not None
    assert run.parent.name == "minilm"
    assert run.artefact == store.step("s1").artefact
    assert run.score is not None
    assert (run.metric, run.score.value) == ("accuracy", 0.9)
    assert run.ended is not None
    assert run.ended >= run.began
    assert run.to_json()["parent"] == PARENT


def test_states(store):
    begin(store, "s1")  # killed
    begin(store, "s1")  # gone on with
    end(store, "s1")
    begin(store, "s2")
    begin(store, "s3")
    end(store, "s3")
    store.ledger.append("deleted", step="s3")
    begin(store, "s4")
    with store.step("s4").locked():
        runs = verbs.log(store)
    assert [(run.step, run.state) for run in runs] == [
        ("s1", "interrupted"),
        ("s1", "done"),
        ("s2", "interrupted"),
        ("s3", "deleted"),
        ("s4", "running"),
    ]
    assert [run.artefact is not None for run in runs] == [False, True, False, False, False]


def test_a_step_whose_files_are_damaged_is_still_in_the_log(store):
    begin(store, "s1")
    end(store, "s1")
    (store.step("s1").folder / "metrics.json").write_text("{")
    (run,) = verbs.log(store)
    assert (run.state, run.score) == ("done", None)


def test_an_empty_store(store):
    assert verbs.log(store) == ()


def test_a_lineage_goes_back_to_data_and_base():
    found = verbs.lineage(GOLDEN / "artefact")
    assert [(link.kind, link.name, link.task, list(link.data)) for link in found.links] == [
        ("stage", "intent", "text-classification", ["intents"]),
        ("stage", "domain", "masked-language", ["tickets"]),
        ("base", "new transformer", "", []),
    ]
    assert all(len(digest) == 64 for link in found.links for digest in link.data.values())
    assert len({link.digest for link in found.links}) == 3


def test_without_a_recorded_lineage_the_manifest_names_the_parents(tmp_path):
    folder = shutil.copytree(GOLDEN / "artefact", tmp_path / "artefact")
    (folder / "evidence" / "lineage.json").unlink()
    cover_up(folder)
    assert [(link.kind, link.name) for link in verbs.lineage(folder).links] == [
        ("stage", "intent"),
        ("stage", "domain"),
    ]


def test_the_lineage_of_an_altered_folder_is_not_told(tmp_path):
    folder = shutil.copytree(GOLDEN / "artefact", tmp_path / "artefact")
    (folder / "evidence" / "lineage.json").write_text("[]")
    with pytest.raises(ArtefactError, match=r"lineage\.json: changed"):
        verbs.lineage(folder)
