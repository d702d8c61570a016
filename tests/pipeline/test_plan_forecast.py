"""What a plan says of rows that are too long and of what will be kept is what the run then does."""

from __future__ import annotations

import random
from collections import namedtuple

import pytest
import torch

from dianji import verbs
from dianji.engine.frozen.state_store import LEFT_FREE
from dianji.errors import RecipeError
from dianji.pipeline import stage_preview
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys
from tests.engine.conftest import Log

BASE = {"new": "transformer", "layers": 2, "width": 16, "heads": 2, "length": 32, "vocabulary": 200}
Disk = namedtuple("Disk", "total used free")  # what shutil gives


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
        monkeypatch.setattr(stage_preview, "MOST_ROWS", 30)
        monkeypatch.setattr(stage_preview, "PLACES", 6)
        plan = verbs.check(recipe(classify(12), rows=600), store=store)
        assert plan.stages[0].cut["train"]["of"] == 30
        assert any("learn: train, of which 30 of 360 rows were looked at: " in warning for warning in plan.warnings)

    def test_of_long_rows_so_many_as_make_so_many_bytes(self, recipe, store, monkeypatch):
        monkeypatch.setattr(stage_preview, "MOST_BYTES", 4000)
        monkeypatch.setattr(stage_preview, "PLACES", 6)
        plan = verbs.check(recipe(classify(12), rows=600), store=store)
        assert 10 < plan.stages[0].cut["train"]["of"] < 60

    def test_a_length_that_the_base_does_not_take_is_a_fault(self, recipe, store):
        with pytest.raises(RecipeError, match=r"stages.learn: length 4096 does not fit .* expected 3 to 32 tokens"):
            verbs.check(recipe(classify(4096)), store=store)

    def test_what_is_done_is_not_looked_at_again(self, recipe, store, monkeypatch):
        asked = recipe(classify(12, train={"steps": 1}))
        verbs.run(asked, store=store)
        monkeypatch.setattr(stage_preview.StagePreview, "of", None)
        assert verbs.check(asked, store=store).stages[0].cut == {}


STAGES = {
    "fitted": classify(adapt="frozen"),
    "tokens": classify(adapt="last-layers", train={"epochs": 2, "precision": "fp32"}),
    "bf16": classify(adapt="last-layers", train={"epochs": 2, "precision": "bf16"}),
    "top": classify(adapt={"lora": {"rank": 2, "targets": ["layer.1.attention.self.query"]}}, train={"epochs": 2}),
    "windows": {
        "task": {"causal-language": {"length": 8}},
        "adapt": "last-layers",
        "train": {"epochs": 2, "precision": "fp32"},
    },
}


class TestKept:
    @pytest.mark.parametrize("name", STAGES)
    def test_the_plan_says_what_the_run_keeps(self, recipe, store, name):
        asked = recipe(STAGES[name])
        told = verbs.check(asked, store=store).stages[0].cache_mb
        verbs.run(asked, store=store)
        kept = sum(path.stat().st_size - 160 for path in (store.home / "cache").rglob("states.safetensors"))
        assert kept > 0
        assert told == pytest.approx(kept / 1e6, abs=0.001)

    @pytest.mark.parametrize(
        "stage",
        [
            classify(adapt="full"),
            classify(adapt="frozen", train={"cache": "off"}),
            classify(adapt="last-layers", train={"epochs": 1}),
            {"task": "masked-language", "adapt": "last-layers", "train": {"epochs": 2}},
        ],
        ids=["all-learns", "off", "read-once", "masks-are-drawn"],
    )
    def test_nothing_where_nothing_is_kept(self, recipe, store, stage):
        assert verbs.check(recipe(stage), store=store).stages[0].cache_mb is None

    def test_a_full_disk_is_warned_of(self, recipe, store, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(1, 1, LEFT_FREE))
        plan = verbs.check(recipe(classify(adapt="frozen")), store=store)
        assert any("learn: the frozen states of its rows would take" in told for told in plan.warnings)
        assert any("they are not stored. Training goes on without" in told for told in plan.warnings)

    def test_weights_are_not_loaded(self, recipe, store, monkeypatch):
        drawn = torch.nn.init.normal_
        monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, *a, **b: drawn(_no_numbers(tensor), *a, **b))
        assert verbs.check(recipe(classify(adapt="frozen")), store=store).stages[0].cache_mb is not None


def _no_numbers(tensor):
    assert tensor.device.type == "meta"
    return tensor
