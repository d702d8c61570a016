"""How to make it again."""

import yaml

from dianji.report.blocks import Code, Paragraph, Table, Words
from dianji.report.sections.reproduce import REPRODUCE
from dianji.report.subject import Subject
from dianji.spec.sections import Recipe
from tests.narrow import sure
from tests.report.rendered import blocks


def recipe_of(subject, recipe):
    fresh = Subject(subject.folder, subject.manifest)
    object.__setattr__(fresh, "evidence", lambda name: recipe)
    return blocks(REPRODUCE, fresh)


def test_the_recipe_can_be_copied_and_read(subject):
    promise, command, recipe, versions = blocks(REPRODUCE, subject)
    assert command == Code("dianji run recipe.yaml --stage intent", "bash")
    assert Recipe.parse(sure(Code, recipe).text).to_json() == subject.evidence("recipe")
    assert subject.manifest.digest in sure(Words, sure(Paragraph, promise).text).en
    assert {sure(str, name): value for name, value in sure(Table, versions).rows} == subject.manifest.versions


def test_a_budget_in_minutes_is_promised_less(subject):
    recipe = subject.evidence("recipe")
    assert "byte by byte" in sure(Words, sure(Paragraph, blocks(REPRODUCE, subject)[0]).text).en
    recipe["stages"]["intent"]["train"]["minutes"] = 5
    told = recipe_of(subject, recipe)[0].text
    assert "byte by byte" not in told.en
    assert "分钟" in told.zh


def test_passwords_of_databases_stay_out_of_the_page(subject):
    recipe = subject.evidence("recipe")
    recipe["data"]["intents"]["path"] = "postgresql://me:secret@host/base"
    code = recipe_of(subject, recipe)[2]
    assert "secret" not in code.text
    assert yaml.safe_load(code.text)["data"]["intents"]["path"] == "postgresql://me:***@host/base"


def test_an_artefact_without_its_recipe_says_so(subject):
    note = recipe_of(subject, {})[0]
    assert isinstance(note, Paragraph)
    assert note.note
