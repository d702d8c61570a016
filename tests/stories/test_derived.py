"""Rows that an earlier stage makes: planned late, selected once, exact after a kill, and checked like any others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.errors import RecipeError
from dianji.spec.sections import Recipe
from dianji.store.garbage import find
from dianji.store.steps import Store
from dianji.testing import families, toys
from dianji.testing.toys import LABELS
from tests.data.helpers import write_jsonl
from tests.stories.conftest import Watcher
from tests.stories.same import differences


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A base, labelled questions, pairs, and questions without labels, some of which are asked in the labelled data."""
    families.write(families.bert(), tmp_path / "base")
    labelled = toys.text_table()
    write_jsonl(tmp_path / "labelled.jsonl", labelled.to_pylist())
    asked = [f"{text} again" for text in labelled["text"].to_pylist()] + labelled["text"].to_pylist()[:12]
    write_jsonl(tmp_path / "unlabelled.jsonl", [{"body": text} for text in asked])
    write_jsonl(tmp_path / "pairs.jsonl", toys.pair_table().to_pylist())
    return tmp_path


def recipe(home: Path, **more: Any) -> dict[str, Any]:
    train = {"steps": 4, "batch_size": 8, "checkpoint_every": 1}
    stage = {"task": "text-classification", "train": train, "evaluate": {"resamples": 100}}
    return {
        "name": "toy",
        "seed": 3,
        "base": str(home / "base"),
        "data": {
            "labelled": {"path": str(home / "labelled.jsonl"), "columns": {}},
            "unlabelled": {"path": str(home / "unlabelled.jsonl"), "columns": {"text": "body"}},
            "sure": {
                "from": "teacher",
                "select": {"pseudo-labels": {"probability": 0.01}},
                "rows": "unlabelled",
                "with": "labelled",
            },
        },
        "stages": {
            "teacher": {**stage, "data": "labelled"},
            "student": {**stage, "data": "sure", "from": str(home / "base")},
        },
        **more,
    }


def run(home: Path, asked: dict[str, Any], **how: Any) -> Any:
    return verbs.run(Recipe.parse(asked), store=Store(home / "store"), **how)


def told(stage: Any) -> Any:
    """The data report of a stage."""
    return json.loads((stage.artefact / "evidence" / "data.json").read_text(encoding="utf-8"))


def test_a_student_learns_what_its_teacher_is_sure_of(home):
    asked, store = recipe(home), Store(home / "store")
    plan = verbs.check(Recipe.parse(asked), store=store)
    assert [(stage.name, stage.state) for stage in plan.stages] == [("teacher", "to do"), ("student", "waiting")]
    ran = run(home, asked)
    assert [(stage.name, stage.reused) for stage in ran.stages] == [("teacher", False), ("student", False)]
    teacher, student = ran.stages
    report = told(student)
    assert report["made"]["select"] == "pseudo-labels"
    assert report["made"]["from"] == "teacher"
    assert report["made"]["step"] == teacher.digest
    assert report["made"]["rows"] + report["made"]["left_out"] == 36
    assert 0 < report["made"]["left_out"] <= 12, "questions that are tested are not trained"
    before = told(teacher)
    assert report["rows"]["train"] == before["rows"]["train"] + report["made"]["rows"]
    assert report["rows"]["test"] == before["rows"]["test"]
    assert any("left out" in warning for warning in student.warnings)
    for stage in ran.stages:
        assert verbs.verify(stage.artefact, data=str(home / "labelled.jsonl")).faults == ()
        verbs.report(stage.artefact, out=home / "report.html")
        assert "could not be read again" not in (home / "report.html").read_text(encoding="utf-8")
    assert len(list(verbs.predict_file(student.artefact, str(home / "labelled.jsonl")))) == 24
    assert verbs.evaluate(student.artefact, str(home / "labelled.jsonl")).rows == 24
    assert verbs.diff(teacher.artefact, student.artefact).data, "they learnt from other rows"
    leaves = [item.path.name for item in find(store, finished=True).items if item.kind == "finished step"]
    assert leaves == [student.digest], "its rows can be made again as long as the teacher is there"
    plan = verbs.check(Recipe.parse(asked), store=store)
    assert [stage.state for stage in plan.stages] == ["done", "done"]
    assert [stage.reused for stage in run(home, asked).stages] == [True, True]
    filled = Recipe.parse(dict(plan.filled))
    assert verbs.check(filled, store=store).digest == plan.digest


def test_other_rows_of_the_teacher_make_another_step(home):
    asked = recipe(home)
    first = run(home, asked).stages[-1].digest
    asked["data"]["sure"]["select"] = {"pseudo-labels": {"probability": 0.01, "per_label": 2}}
    later = run(home, asked)
    assert later.stages[0].reused
    assert later.stages[-1].digest != first
    report = told(later.stages[-1])
    assert report["made"]["rows"] + report["made"]["left_out"] <= 2 * len(LABELS)
    asked["stages"]["teacher"]["train"]["steps"] = 5
    assert run(home, asked).stages[-1].digest not in (first, later.stages[-1].digest)


@pytest.mark.parametrize("place", [3, 8, 13])
def test_a_kill_anywhere_changes_nothing(home, place):
    asked = recipe(home)
    whole = run(home, asked).stages[-1].artefact
    store = Store(home / "other")
    with pytest.raises(RuntimeError, match="killed"):
        verbs.run(Recipe.parse(asked), store=store, reporter=Watcher(crash_at=place, anywhere=True))
    again = verbs.run(Recipe.parse(asked), store=store).stages[-1].artefact
    assert list(differences(whole, again)) == []


def test_hard_negatives_of_a_first_model(home):
    train = {"steps": 3, "batch_size": 8}
    asked = recipe(home)
    asked["data"] = {
        "pairs": {"path": str(home / "pairs.jsonl")},
        "hard": {"from": "first", "select": {"hard-negatives": {"margin": -2.0, "negatives": 2}}, "rows": "pairs"},
    }
    task = {"task": "sentence-embedding", "train": train, "evaluate": {"resamples": 100}}
    asked["stages"] = {"first": {**task, "data": "pairs"}, "second": {**task, "data": "hard"}}
    ran = run(home, asked)
    first, second = (told(stage)["rows"] for stage in ran.stages)
    assert second["train"] == 2 * first["train"]
    assert (second["validation"], second["test"]) == (first["validation"], first["test"])
    assert verbs.verify(ran.stages[-1].artefact, data=str(home / "pairs.jsonl")).faults == ()


def test_a_comparison_of_teacher_and_student(home):
    asked = recipe(home, compare={"variants": ["teacher", "student"], "seeds": 1})
    ran = run(home, asked)
    assert [variant.name for variant in ran.comparison.variants] == ["teacher", "student"]
    with pytest.raises(RecipeError, match=r"made by a stage that is not done. First: dianji run .* --stage teacher"):
        verbs.compare(Recipe.parse(asked), store=Store(home / "new"))


def test_a_comparison_is_checked_while_a_stage_waits(home, capsys):
    asked = recipe(home, compare={"variants": ["teacher", "student"], "seeds": 2})
    plan = verbs.check(Recipe.parse(asked), store=Store(home / "store"))
    told = [(of.name, of.stage, len(of.steps), of.waits_for) for of in plan.variants]
    assert told == [("teacher", "teacher", 2, ()), ("student", "student", 0, ("teacher",))]
    assert plan.filled["compare"]["seeds"] == 2
    assert plan.to_json()["variants"][1]["waits_for"] == ["teacher"]
    (home / "recipe.json").write_text(json.dumps(asked))
    assert invoke(["check", str(home / "recipe.json")]) == 0
    assert "waits for rows of teacher" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variants", "part", "expected"),
    [
        (["teacher", {"stage": "student", "task": "masked-language"}], None, "Compare like with like"),
        (["teacher", {"stage": "student", "adapt": "frozn"}], None, "Did you mean 'frozen'"),
        (["teacher", {"stage": "student", "from": "nowhere/base"}], None, "compare.variants.1"),
        (["teacher", {"stage": "teacher", "name": "again"}, "student"], None, "asks for the same as 'teacher'"),
        (["both", "student"], "intent", "the stage 'both' has no part 'intent'"),
    ],
)
def test_faults_of_a_comparison_are_told_before_the_rows_are_made(home, variants, part, expected):
    asked = recipe(home, compare={"variants": variants, "seeds": 1, "part": part})
    task = {"task": "text-classification", "data": "labelled"}
    both = {"parts": {"intents": task, "others": task}, "train": {"steps": 1}, "from": str(home / "base")}
    asked["stages"] = {"both": both, **asked["stages"]}
    for verb in (verbs.check, verbs.run):
        with pytest.raises(RecipeError) as error:
            verb(Recipe.parse(asked), store=Store(home / "store"))
        assert expected in str(error.value)
    assert not [step for step in Store(home / "store").steps() if step.state == "done"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"from": "teechar"}, "data.sure.from: there is no stage 'teechar'. Did you mean 'teacher'?"),
        ({"from": "student"}, "the stage 'student' would make its own rows"),
        ({"select": "pseudo-label"}, "Did you mean 'pseudo-labels'?"),
        ({"select": {"pseudo-labels": {"probability": 2}}}, "probability"),
        ({"rows": "none"}, "there is no data section 'none'"),
        ({"rows": "sure"}, "'sure' is made by a stage itself"),
        ({"with": None, "rows": None}, "need rows beside from"),
        ({"limit": 3}, "limit has no effect on rows that a stage makes"),
        ({"from": None}, "select has no meaning without from"),
    ],
)
def test_faults_of_the_recipe_are_told_before_anything_runs(home, change, expected):
    asked = recipe(home)
    asked["data"]["sure"] |= change
    with pytest.raises(RecipeError) as error:
        verbs.check(Recipe.parse(asked), store=Store(home / "store"))
    assert expected in str(error.value)


def test_stages_that_need_each_other_are_told(home):
    asked = recipe(home)
    asked["stages"]["teacher"]["from"] = "student"
    asked["stages"]["student"]["from"] = str(home / "base")
    with pytest.raises(RecipeError, match="'teacher' and 'student' need each other"):
        verbs.check(Recipe.parse(asked), store=Store(home / "store"))


def test_nothing_selected_is_an_error(home):
    asked = recipe(home)
    asked["data"]["sure"]["select"] = {"pseudo-labels": {"probability": 1.0}}
    with pytest.raises(RecipeError, match=r"pseudo-labels selected no row. Ask for less of it"):
        run(home, asked)


def test_what_a_stage_cannot_make_is_told_before_it_runs(home):
    asked = recipe(home)
    asked["data"]["sure"]["select"] = "hard-negatives"
    with pytest.raises(RecipeError, match="hard-negatives needs an earlier stage that learns vectors of pairs"):
        verbs.check(Recipe.parse(asked), store=Store(home / "store"))
    asked = recipe(home)
    asked["stages"]["student"] = {**asked["stages"]["student"], "task": "text-to-text"}
    with pytest.raises(RecipeError):
        verbs.check(Recipe.parse(asked), store=Store(home / "store"))
