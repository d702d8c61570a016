"""What differs between two artefacts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from dianji import verbs
from dianji.errors import ArtefactError
from dianji.testing.tampering import cover_up, edit_json, edit_tensors
from tests.artefact.conftest import GOLDEN
from tests.artefact.verify.test_origin import changed

ARTEFACT = GOLDEN / "artefact"


@pytest.fixture
def other(tmp_path):
    return shutil.copytree(ARTEFACT, tmp_path / "other")


def difference(other):
    cover_up(other)
    return verbs.diff(ARTEFACT, other)


def test_a_copy_differs_in_nothing(other):
    found = verbs.diff(ARTEFACT, other)
    assert (found.recipe, found.data, found.versions, found.cost, found.notes) == ((), (), (), (), ())
    assert found.same_task
    assert {score.metric for score in found.scores} >= {"accuracy", "log-loss"}
    assert all(score.a == score.b for score in found.scores)
    assert all(split.both == split.a == split.b for split in found.rows)
    assert json.loads(json.dumps(found.to_json()))["same_task"] is True


def test_recipes_are_compared_key_by_key_whatever_stages_and_data_are_called(other):
    def rename(recipe):
        stage = {**recipe["stages"].pop("intent"), "data": "rows"}
        stage["train"] = {**stage["train"], "epochs": 9.0}
        recipe["stages"]["fine"] = stage
        recipe["data"]["rows"] = recipe["data"].pop("intents")
        return recipe

    edit_json(other / "evidence/recipe.json", rename)
    edit_json(other / "dianji.json", changed("stage", to="fine"))
    found = {change.key: (change.a, change.b) for change in difference(other).recipe}
    assert found == {
        "stage.name": ("intent", "fine"),
        "stage.data": ("intents", "rows"),
        "stage.train.epochs": (6.0, 9.0),
    }


def test_data_versions_and_cost(other):
    edit_json(other / "evidence/data.json", changed("digest", to="0" * 64))
    edit_json(other / "evidence/data.json", changed("rows", "train", to=7))
    edit_json(other / "dianji.json", changed("versions", "torch", to="9.9"))
    edit_json(other / "evidence/cost.json", changed("trainable_parameters", to=7))
    found = difference(other)
    assert [change.key for change in found.data] == ["digest", "rows.train"]
    assert [(change.key, change.b) for change in found.versions] == [("torch", "9.9")]
    assert [(change.key, change.b) for change in found.cost] == [("trainable_parameters", 7)]


def test_other_test_rows_are_told(other):
    def replace(tensors):
        tensors["rows"] = tensors["rows"] + np.uint64(1)

    edit_tensors(other / "evidence/test.safetensors", replace)
    found = difference(other)
    assert any(note.startswith("test: 0 rows are in both") for note in found.notes)
    (other / "evidence/test.safetensors").unlink()
    assert "test: whether both were measured on the same rows is not recorded" in difference(other).notes


def test_other_labels_are_told(other):
    edit_json(other / "dianji.json", changed("task", "arguments", "labels", to=["card", "login", "money"]))
    assert difference(other).notes[0] == 'different labels: only A has "refund"; only B has "money"'
    edit_json(other / "dianji.json", changed("task", "arguments", "labels", to=["refund", "login", "card"]))
    assert difference(other).notes[0] == "different labels: in another order"


def test_an_altered_artefact_is_not_compared(other):
    (other / "README.md").write_text("better")
    with pytest.raises(ArtefactError, match=r"README\.md: changed"):
        verbs.diff(ARTEFACT, other)
