"""What a plan says of rows that are too long is what the run says."""

from __future__ import annotations

import random

import pytest

from dianji import verbs
from dianji.errors import RecipeError
from dianji.pipeline import glimpse
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys
from tests.engine.conftest import Log

BASE = {"new": "transformer", "layers": 2, "width": 16, "heads": 2, "length": 32, "vocabulary": 200}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def recipe(tmp_path):
    """Makes one of questions of 1 to 30 words; a folder of images where the task asks for it."""

    def make(stage, rows=120, **more):
        rng = random.Random(1)
        words = [word for word in toys.vocabulary() if word.isalpha()]
        lines = [f"{' '.join(rng.choices(words, k=1 + row % 30))} {row},{'ab'[row % 2]}" for row in range(rows)]
        (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
        data = {"rows": {"path": str(tmp_path / "rows.csv"), "split": {"validation": 0.2, "test": 0.2}}}
        stage = {"data": "rows", "evaluate": {"resamples": 100, "baselines": False}, **stage}
        return Recipe.parse({"name": "toy", "base": BASE, "data": data, "stages": {"learn": stage}, **more})

    return make


def classify(length=None, **stage):
    return {"task": {"text-classification": {} if length is None else {"length": length}}, **stage}


class TestTooLong:
    def test_the_plan_says_what_the_run_says(self, recipe, store):
        asked = recipe(classify(12, train={"steps": 1}))
        plan, log = verbs.check(asked, store=store), Log()
        told = [warning for warning in plan.warnings if "are cut" in warning]
        assert len(told) == 3
        assert told[0].startswith("learn: train: ")
        assert "%) are longer than 12 tokens and are cut; the longest has" in told[0]
        assert set(plan.stages[0].cut) == {"train", "validation", "test"}
        assert all(of["of"] == plan.stages[0].rows[split] for split, of in plan.stages[0].cut.items())
        verbs.run(asked, store=store, reporter=log)
        assert [warning for warning in log.warned if "are cut" in warning] == told

    def test_the_length_that_applies_is_the_bases_where_the_task_asks_for_none(self, recipe, store):
        cut = verbs.check(recipe(classify()), store=store).stages[0].cut
        assert cut["train"]["length"] == 32
        assert cut["train"]["longest"] > 32

    def test_nothing_where_all_is_read(self, recipe, store):
        read = {"task": {"masked-language": {"length": 8}}, "train": {"steps": 1}}
        assert verbs.check(recipe(read), store=store).stages[0].cut == {}

    def test_of_many_rows_some_are_looked_at(self, recipe, store, monkeypatch):
        monkeypatch.setattr(glimpse, "MOST_ROWS", 30)
        monkeypatch.setattr(glimpse, "PLACES", 6)
        plan = verbs.check(recipe(classify(12), rows=600), store=store)
        assert plan.stages[0].cut["train"]["of"] == 30
        assert any("learn: train, of which 30 of 360 rows were looked at: " in warning for warning in plan.warnings)

    def test_of_long_rows_so_many_as_make_so_many_bytes(self, recipe, store, monkeypatch):
        monkeypatch.setattr(glimpse, "MOST_BYTES", 4000)
        monkeypatch.setattr(glimpse, "PLACES", 6)
        plan = verbs.check(recipe(classify(12), rows=600), store=store)
        assert 10 < plan.stages[0].cut["train"]["of"] < 60

    def test_a_length_that_the_base_does_not_take_is_a_fault(self, recipe, store):
        with pytest.raises(RecipeError, match=r"stages.learn: length 4096 does not fit .* expected 3 to 32 tokens"):
            verbs.check(recipe(classify(4096)), store=store)

    def test_what_is_done_is_not_looked_at_again(self, recipe, store, monkeypatch):
        asked = recipe(classify(12, train={"steps": 1}))
        verbs.run(asked, store=store)
        monkeypatch.setattr(glimpse.Glimpse, "of", None)
        assert verbs.check(asked, store=store).stages[0].cut == {}
