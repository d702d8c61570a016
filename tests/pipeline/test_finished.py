"""A recipe that is done is recognised without planning; whatever could change the result has it planned again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest

from dianji import verbs
from dianji.bases.digests import folder_digest
from dianji.pipeline import finished as module
from dianji.pipeline.finished import finished
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys

RECIPE = """
name: toy
base: {new: transformer, layers: 1, width: 16}
data: {rows: {path: rows.csv, split: {validation: 0.25, test: 0.25}}}
stages:
  kind:
    task: text-classification
    data: rows
    train: {steps: 1}
    evaluate: {resamples: 100, baselines: false}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store, Any]:
    folder = tmp_path_factory.mktemp("done")
    pyarrow.csv.write_csv(toys.text_table(), folder / "rows.csv")
    (folder / "toy.yaml").write_text(RECIPE)
    store = Store(folder / "home")
    return folder, store, verbs.run(Recipe.load(folder / "toy.yaml"), store=store)


@pytest.fixture
def recipe(done):
    return Recipe.load(done[0] / "toy.yaml")


def test_the_same_result_is_found(done, recipe):
    _, store, result = done
    found = finished(recipe, store)
    assert found is not None
    assert found == replace(result, stages=tuple(replace(stage, reused=True) for stage in result.stages))
    assert verbs.run(recipe, store=store) == found


def test_it_is_what_planning_finds(done, recipe, monkeypatch):
    _, store, _ = done
    quickly = verbs.run(recipe, store=store)
    monkeypatch.setattr("dianji.verbs.running.finished", lambda *_: None)
    assert verbs.run(recipe, store=store) == quickly


def test_without_torch(done):
    folder, store, _ = done
    code = (
        "import sys, json; from dianji.cli import invoke\n"
        "assert invoke(['run', 'toy.yaml', '--json']) == 0\n"
        "assert not {'torch', 'transformers', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    environment = {"DIANJI_HOME": str(store.home), "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["stages"][0]["reused"] is True


def test_other_bytes_are_planned_again(done, recipe):
    folder, store, _ = done
    rows = folder / "rows.csv"
    before = rows.read_bytes()
    try:
        rows.write_bytes(before + b'"one more","card"\n')
        assert finished(recipe, store) is None
        rows.unlink()
        assert finished(recipe, store) is None, "that it is missing is told by planning"
    finally:
        rows.write_bytes(before)
    assert finished(recipe, store) is not None


def test_another_recipe_is_planned_again(done):
    folder, store, _ = done
    other = Recipe.parse(RECIPE.replace("steps: 1", "steps: 2"), folder=folder)
    assert finished(other, store) is None


def test_another_program_plans_again(done, recipe, monkeypatch):
    monkeypatch.setattr(module, "_program", lambda: ["another"])
    assert finished(recipe, done[1]) is None


def test_a_missing_step_is_planned_again(done, recipe):
    _, store, result = done
    mark = store.step(result.stages[0].digest).folder / "DONE"
    content = mark.read_bytes()
    mark.unlink()
    try:
        assert finished(recipe, store) is None
    finally:
        mark.write_bytes(content)


def test_another_base_is_planned_again(done, recipe):
    _, store, result = done
    path = module._note(recipe, store)
    assert path is not None
    note = json.loads(path.read_text())
    folder = result.stages[0].artefact
    try:
        path.write_text(json.dumps({**note, "bases": {str(folder): folder_digest(folder)}}))
        assert finished(recipe, store) is not None
        path.write_text(json.dumps({**note, "bases": {str(folder): "another"}}))
        assert finished(recipe, store) is None
        path.write_text(json.dumps({**note, "bases": {str(folder / "gone"): "another"}}))
        assert finished(recipe, store) is None
    finally:
        path.write_text(json.dumps(note))
