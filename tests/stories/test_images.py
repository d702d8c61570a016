"""The same verbs on images: a folder of class folders becomes a folder that predicts."""

from __future__ import annotations

from pathlib import Path

import pytest

import dianji
from dianji import verbs
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.stories.conftest import Watcher, write_recipe

RECIPE = """
name: shapes
seed: 1
base: {new: ARCHITECTURE}
data:
  shapes: {path: DATA/shapes, format: images, split: {validation: 0.2, test: 0.2, stratify: label}}
stages:
  shape: {task: image-classification, data: shapes, train: {epochs: EPOCHS}}
"""


@pytest.mark.parametrize(
    ("architecture", "epochs", "least"),
    [
        ("cnn", 15, 0.8),
        ("resnet, widths: [8, 16], depths: [1, 1]", 1, 0.0),
        ("vit, layers: 1, width: 16, heads: 2", 1, 0.0),
    ],
)
def test_images_from_folder_to_prediction(
    project: Path, tmp_path: Path, architecture: str, epochs: int, least: float
) -> None:
    text = RECIPE.replace("ARCHITECTURE", architecture).replace("EPOCHS", str(epochs))
    result = verbs.run(Recipe.load(write_recipe(tmp_path, project, text)), store=Store(tmp_path / "store"))
    (stage,) = result.stages
    assert stage.metrics["test"]["accuracy"].value >= least
    model = dianji.open(stage.artefact)
    image = project / "shapes" / "circle" / "0.png"
    (from_path,) = model.predict([image])
    (from_bytes,) = model.predict([image.read_bytes()])
    assert from_path == from_bytes
    found = list(verbs.predict_file(stage.artefact, str(project / "shapes" / "square")))
    assert len(found) == 30


def test_a_convolutional_run_that_crashed_ends_with_the_same_bytes(project: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("ARCHITECTURE", "cnn").replace("EPOCHS", "3, batch_size: 8, checkpoint_every: 1")
    recipe = Recipe.load(write_recipe(tmp_path, project, text))
    whole = verbs.run(recipe, store=Store(tmp_path / "whole")).stages[0].artefact
    with pytest.raises(RuntimeError, match="killed"):
        verbs.run(recipe, store=Store(tmp_path / "store"), reporter=Watcher(crash_at=7))
    resumed = verbs.run(recipe, store=Store(tmp_path / "store")).stages[0].artefact
    assert (whole / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
