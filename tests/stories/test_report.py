"""A recipe runs, and its report tells of every finished stage; without its data, of all that needs none."""

import shutil

import pytest

from dianji import verbs
from dianji.errors import StoreError
from dianji.spec.sections import Recipe
from tests.report.page import Found
from tests.stories.conftest import PHRASINGS, write_recipe

RECIPE = """
name: desk
seed: 3
base: BASE
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  intents: {path: questions.csv, columns: {text: query, label: intent}}
stages:
  domain: {task: masked-language, data: tickets, train: {steps: 4}}
  intent: {task: text-classification, data: intents, train: {steps: 8}}
"""


def test_a_recipe_is_reported_on_stage_by_stage(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "questions.csv"
    shutil.copy(project / "questions.csv", data)
    path = write_recipe(tmp_path, project, RECIPE)
    with pytest.raises(StoreError, match="none of its stages is finished"):
        verbs.report(path)
    recipe = Recipe.load(path)
    verbs.run(recipe, stage="domain")
    first = Found(verbs.report(path).report.read_text(encoding="utf-8"))
    assert "Not finished yet: intent." in first.text

    result = verbs.run(recipe)
    comparing = write_recipe(
        tmp_path, project, f"{RECIPE}compare: [intent, {{stage: intent, adapt: frozen}}]", "c.yaml"
    )
    assert "The variants have not been compared yet" in verbs.report(comparing).report.read_text(encoding="utf-8")
    page = verbs.report(path, language="zh").report.read_text(encoding="utf-8")
    assert Found(page).faults == []
    assert "已完成的阶段：2 个。" in page
    artefact = result.stages[-1].artefact
    whole = Found(verbs.report(artefact).report.read_text(encoding="utf-8"))
    phrases = [phrase for several in PHRASINGS.values() for phrase in several]
    assert any(phrase in whole.text for phrase in phrases)
    assert f"stage domain ({result.stages[0].digest})" in whole.text

    private = Found(verbs.report(artefact, rows=False).report.read_text(encoding="utf-8"))
    assert "asked to show none of the data" in private.text
    assert not any(phrase in private.text for phrase in phrases)
    assert not any(phrase in verbs.report(path, rows=False).report.read_text(encoding="utf-8") for phrase in phrases)

    data.unlink()
    partly = Found(verbs.report(artefact).report.read_text(encoding="utf-8"))
    assert partly.faults == []
    assert "Made without the rows themselves" in partly.text
    assert not any(phrase in partly.text for phrase in phrases)
    assert "Reliability" in partly.text
