"""A run looks closer at its rows before it learns from them, and keeps what it saw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dianji import verbs
from dianji.errors import RecipeError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.data.helpers import write_csv
from tests.stories.conftest import Watcher

RECIPE = """
name: toy
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  rows: {path: TRAIN, split: {test: TEST, validation: OTHER}, strict: STRICT}
stages:
  kinds: {task: text-classification, data: rows, train: {steps: 1}}
"""
ROWS = [
    ("where is the card that I ordered last week", "card"),
    ("write to jane@example.com about the loan", "loan"),
    ("ten thousand euros until the end of May", "loan"),
    ("my card is broken and I need another one", "card"),
]


def recipe(folder: Path, *, strict: bool = False) -> Recipe:
    text = RECIPE.replace("TRAIN", write_csv(folder / "a.csv", ROWS)).replace("STRICT", str(strict).lower())
    text = text.replace("TEST", write_csv(folder / "b.csv", [("where is the card that I ordered last weeks", "card")]))
    return Recipe.parse(text.replace("OTHER", write_csv(folder / "c.csv", [("what else is there", "loan")])))


def test_a_run_warns_and_keeps_the_report(tmp_path):
    store, watcher = Store(tmp_path / "store"), Watcher()
    result = verbs.run(recipe(tmp_path), store=store, reporter=watcher)
    told = "data.rows: 1 input of test nearly repeats one of training: b.csv, line 2 ~ a.csv, line 2"
    assert told in watcher.warnings
    assert told in result.stages[0].warnings
    report = json.loads((result.stages[0].artefact / "evidence" / "quality.json").read_text())
    assert report["near_duplicates"]["leakage"]["test"]["count"] == 1
    assert report["personal_data"]["text"]["e-mail"]["rows"][0]["row"] == "a.csv, line 3"
    assert report["warnings"] == [told]
    again = verbs.run(recipe(tmp_path), store=store)
    assert again.stages[0].reused
    assert told in again.stages[0].warnings


def test_strict_refuses_before_anything_is_begun(tmp_path):
    with pytest.raises(RecipeError, match="nearly repeats one of training"):
        verbs.check(recipe(tmp_path, strict=True), store=Store(tmp_path / "store"))


JUDGED = """
name: toy
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  rows: {path: TRAIN, split: {validation: 0.2, test: 0.2}}
stages:
  read: {task: masked-language, data: rows, train: {steps: 1}}
  kinds: {task: text-classification, data: rows, train: {steps: 1}, evaluate: {label_errors: true}}
"""


def judged(folder: Path, change: tuple[str, str] = ("", "")) -> Recipe:
    kinds = {"card": "where is the card number {}", "loan": "ten thousand euros for a loan {}"}
    rows = [(kinds[label].format(number), label) for number in range(20) for label in kinds]
    rows[0] = (rows[0][0], "loan")
    return Recipe.parse(JUDGED.replace("TRAIN", write_csv(folder / "rows.csv", rows)).replace(*change))


def test_labels_are_judged_where_the_recipe_asks_for_it(tmp_path):
    store, watcher = Store(tmp_path / "store"), Watcher()
    result = verbs.run(judged(tmp_path), store=store, reporter=watcher)
    report = json.loads((result.stages[1].artefact / "evidence" / "quality.json").read_text())["label_errors"]
    assert report["looked_at"] == {"rows": 40, "of": 40}
    assert [row["row"] for row in report["rows"]] == ["rows.csv, line 2"]
    assert report["rows"][0]["suggested"] == "card"
    told = "data.rows: labels that are probably wrong: 1; the likeliest: rows.csv, line 2, 'loan' instead of 'card'"
    assert any(warning.startswith(told) for warning in watcher.warnings)
    first = json.loads((result.stages[0].artefact / "evidence" / "quality.json").read_text())
    assert "label_errors" not in first
    assert [verbs.verify(stage.artefact, store=store).faults for stage in result.stages] == [(), ()]


def test_not_asking_for_it_changes_no_digest(tmp_path):
    plan = verbs.check(judged(tmp_path, ("{label_errors: true}", "{label_errors: false}")))
    assert (
        plan.stages[1].digest
        == verbs.check(judged(tmp_path, (", evaluate: {label_errors: true}", ""))).stages[1].digest
    )
    assert plan.stages[1].digest != verbs.check(judged(tmp_path)).stages[1].digest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("kinds: {", "kinds: {from: {new: lstm}, "), "needs features that know something"),
        (("text-classification", "masked-language"), "needs a task with one label per row"),
    ],
)
def test_labels_that_cannot_be_judged_are_told_before_anything_runs(tmp_path, change, told):
    with pytest.raises(RecipeError, match=told):
        verbs.check(judged(tmp_path, change))
