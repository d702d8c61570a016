"""A filled recipe says everything, and says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dianji import verbs
from dianji.errors import RecipeError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

RECIPE = """
name: toy
seed: 3
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  rows: {path: PATH, columns: {label: intent}, split: {validation: 0.2, test: 0.2}}
stages:
  words: {task: masked-language, data: rows}
  kinds: {task: text-classification, data: rows, adapt: {last-layers: {layers: 1}}, techniques: [ema]}
  apart: {from: words, task: text-classification, data: rows, train: {learning_rate: 0.01}}
"""


def test_a_filled_recipe_leaves_nothing_open_and_gives_the_same_digests(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,intent\n" + "".join(f"number {i} of many,{'ab'[i % 2]}\n" for i in range(40)))
    store = Store(tmp_path / "store")
    plan = verbs.check(Recipe.parse(RECIPE.replace("PATH", str(rows))), store=store)
    for stage in plan.filled["stages"].values():
        train = stage["train"]
        assert min(train["learning_rate"], train["head_learning_rate"], train["epochs"]) > 0
        assert (train["batch_size"] is None) != (train["batch_tokens"] is None)
        assert "adamw@1" in train["optimizer"]
    assert [stage["from"] for stage in plan.filled["stages"].values()][1:] == ["words", "words"]
    again = verbs.check(Recipe.parse(yaml.safe_dump(plan.filled, sort_keys=False)), store=store)
    assert again.digest == plan.digest
    assert again.filled == plan.filled


def test_files_that_are_missing_are_told_beside_other_faults(tmp_path: Path) -> None:
    recipe = RECIPE.replace("PATH", str(tmp_path / "gone.csv")).replace("techniques: [ema]", "techniques: [emma]")
    with pytest.raises(RecipeError) as error:
        verbs.check(Recipe.parse(recipe), store=Store(tmp_path / "store"))
    assert len(error.value.faults) == 2
    assert "Did you mean 'ema'?" in error.value.faults[0]
    assert "data.rows.path: " in error.value.faults[1]
    assert "gone.csv does not exist" in error.value.faults[1]
