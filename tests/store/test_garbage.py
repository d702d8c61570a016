"""What can go, and that nothing else does."""

from __future__ import annotations

import shutil

import pytest

from dianji.store import garbage
from dianji.store.chain import verify_ledger
from dianji.store.steps import Store


@pytest.fixture
def store(tmp_path):
    """domain -> intent are done, one step is interrupted, two sets are encoded, one kill left something."""
    store = Store(tmp_path / "home")
    for digest, stage, parent in (("d1", "domain", "base"), ("i1", "intent", "d1"), ("x1", "wide", "d1")):
        step = store.step(digest)
        with step.locked():
            step.begin({"parent": parent})
            store.ledger.append("begin", recipe="bank", stage=stage, step=digest)
            step.artefact.mkdir()
            (step.artefact / "model.safetensors").write_bytes(b"x" * 100)
            if stage != "wide":
                step.finish({})
    for name in ("c1", "c2"):
        store.cache(name).mkdir(parents=True)
        (store.cache(name) / "examples.arrow").write_bytes(b"x" * 50)
    (store.step("i1").folder / ".artefact.x1").mkdir()
    return store


def names(found):
    return {(item.kind, item.path.name) for item in found.items}


LISTED = {
    ("encoded set", "c1"),
    ("encoded set", "c2"),
    ("interrupted step", "x1"),
    ("leftover", ".artefact.x1"),
}


def test_finished_steps_are_kept_unless_asked_for(store):
    found = garbage.find(store)
    assert names(found) == LISTED
    assert {item.size for item in found.items if item.kind == "encoded set"} == {50}
    assert [item.about for item in found.items if item.kind == "interrupted step"] == ["bank: wide"]
    assert names(garbage.find(store, finished=True)) == {*LISTED, ("finished step", "i1")}


def test_listing_deletes_nothing(store):
    before = sorted(store.home.rglob("*"))
    garbage.find(store, finished=True)
    assert sorted(store.home.rglob("*")) == before


def test_deleting_frees_what_was_listed_and_is_noted(store):
    found = garbage.find(store, finished=True)
    done = garbage.delete(store, found)
    assert done.deleted
    assert done.size == found.size
    assert [step.digest for step in store.steps()] == ["d1"]
    assert not list((store.home / "cache").iterdir())
    gone = [entry["step"] for entry in store.ledger.entries() if entry["event"] == "deleted"]
    assert sorted(gone) == ["i1", "x1"]
    assert verify_ledger(store.ledger).ok
    assert garbage.find(store).items == ()


def test_a_step_in_use_is_never_touched(store):
    with store.step("x1").locked():
        found = garbage.find(store, finished=True)
        assert names(found) == {("leftover", ".artefact.x1"), ("finished step", "i1")}
        assert any("in use by another process" in line for line in found.kept)
        assert any("may need it" in line for line in found.kept)
        garbage.delete(store, found)
        assert (store.step("x1").artefact / "model.safetensors").is_file()


def test_a_step_that_is_taken_up_after_it_was_listed_is_kept(store):
    found = garbage.find(store)
    with store.step("x1").locked():
        done = garbage.delete(store, found)
        assert (store.step("x1").folder / "spec.json").is_file()
    assert ("interrupted step", "x1") not in names(done)
    assert "another process" in done.kept[0]


def test_the_parent_of_a_step_that_is_being_run_is_kept(store):
    shutil.rmtree(store.step("i1").folder)
    with store.step("x1").locked():
        assert ("finished step", "d1") not in names(garbage.find(store, finished=True))
    assert ("finished step", "d1") in names(garbage.find(store, finished=True))


def test_what_a_link_points_to_stays(store, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "data.csv").write_text("a")
    (store.home / "cache" / "c3").symlink_to(tmp_path / "precious", target_is_directory=True)
    garbage.delete(store, garbage.find(store))
    assert (tmp_path / "precious" / "data.csv").is_file()
    assert not (store.home / "cache" / "c3").is_symlink()


def test_an_empty_store(tmp_path):
    assert garbage.find(Store(tmp_path)).items == ()
