"""Verification where a recipe says little: a head that is fitted to its optimum, a seed of the stage's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dianji import verbs
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import families, toys
from dianji.testing.tampering import cover_up, edit_json
from tests.stories.conftest import write_recipe

RECIPE = """
name: toy
seed: 3
base: FOLDER
data:
  intents: {path: DATA/questions.csv, columns: {text: query, label: intent}}
stages:
  fitted: {task: text-classification, data: intents, adapt: frozen, seed: 9}
"""


@pytest.fixture(scope="module")
def fitted(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    base = families.write(toys.text_base(), folder / "base")
    recipe = Recipe.load(write_recipe(folder, project, RECIPE.replace("FOLDER", str(base))))
    return verbs.run(recipe, store=Store(folder / "store")).stages[-1].artefact


def test_a_fitted_head_is_verified_with_every_prediction(fitted: Path, project: Path, tmp_path: Path) -> None:
    found = verbs.verify(fitted, data=str(project / "questions.csv"), store=Store(tmp_path))
    assert found.faults == ()
    assert all(split.compared == split.rows for split in found.predictions)


def test_another_recipe_is_found(fitted: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    verbs.open(fitted).save(copy)

    def longer(recipe: dict[str, Any]) -> dict[str, Any]:
        recipe["stages"]["fitted"]["train"]["epochs"] = 5.0
        recipe["seed"] = 4
        return recipe

    edit_json(copy / "evidence" / "recipe.json", longer)
    cover_up(copy)
    told = "\n".join(map(str, verbs.verify(copy, store=Store(tmp_path)).faults))
    assert "train of fitted" in told
    assert "seed" in told
