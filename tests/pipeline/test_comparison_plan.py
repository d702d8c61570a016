"""Planning a comparison: which steps there are, what they share, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dianji import verbs
from dianji.errors import RecipeError
from dianji.pipeline.comparison_plan import plan_comparison
from dianji.pipeline.plan import schedule
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

RECIPE = """
name: toy
seed: 3
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  rows: {path: PATH/rows.csv, columns: {label: intent}, split: {validation: 0.2, test: 0.2}}
  same: {path: PATH/rows.csv, columns: {label: intent}, split: {validation: 0.2, test: 0.2}, clean: {min_length: 1}}
  other: {path: PATH/other.csv, columns: {label: intent}, split: {validation: 0.2, test: 0.2}}
stages:
  words: {task: masked-language, data: rows}
  kinds: {task: text-classification, data: rows}
compare:
  - kinds
  - VARIANT
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, word in (("rows", "number"), ("other", "count")):
        lines = "".join(f"{word} {i} of many,{'ab'[i % 2]}\n" for i in range(40))
        (tmp_path / f"{name}.csv").write_text("text,intent\n" + lines)
    return tmp_path


def recipe(folder: Path, variant: str) -> Recipe:
    return Recipe.parse(RECIPE.replace("PATH", str(folder)).replace("VARIANT", variant), source="toy.yaml")


def test_every_variant_has_the_same_seeds_and_shares_what_it_starts_from(folder):
    planned = plan_comparison(recipe(folder, "{stage: kinds, adapt: frozen}"), Store(folder / "store"))
    assert planned.seeds == (3, 4, 5)
    assert (planned.split, planned.metric) == ("test", "accuracy")
    seeds = [[work.seed for work in variant.works] for variant in planned.variants]
    assert seeds == [[3, 4, 5], [3, 4, 5]]
    steps = {work.step.digest for variant in planned.variants for work in variant.works}
    assert len(steps) == 6
    before = {s.works[0].step.digest for variant in planned.variants for s in variant.schedules}
    assert len(before) == 1
    tables = [work.data.splits["test"]["text"].to_pylist() for variant in planned.variants for work in variant.works]
    assert all(table == tables[0] for table in tables)


def test_the_first_seed_is_the_run_that_the_recipe_asks_for_anyway(folder):
    store = Store(folder / "store")
    asked = recipe(folder, "{stage: kinds, adapt: frozen}")
    plan = verbs.check(asked, store=store)
    assert plan.variants[0].steps[0] == plan.stages[1].digest
    assert [(variant.name, variant.done) for variant in plan.variants] == [("kinds", 0), ("kinds, adapt frozen", 0)]
    assert plan.to_json()["variants"][0]["stage"] == "kinds"


def test_the_recipes_seed_divides_the_data_and_the_stages_does_not(folder):
    store = Store(folder / "store")
    asked = recipe(folder, "{stage: kinds, adapt: frozen}").model_copy(update={"compare": None})
    stages = {**asked.stages, "kinds": asked.stages["kinds"].model_copy(update={"seed": 9})}
    reseeded, moved = asked.model_copy(update={"stages": stages}), asked.model_copy(update={"seed": 9})
    plain, stage, whole = (verbs.check(of, store=store).stages for of in (asked, reseeded, moved))
    assert plain[0].digest == stage[0].digest != whole[0].digest
    assert len({found[1].digest for found in (plain, stage, whole)}) == 3
    # Encoded rows are cached under this: another division must not find the rows of this one.
    data = [schedule(of, store).works[1].spec["data"] for of in (asked, reseeded, moved)]
    assert data[0] == data[1] != data[2]


def test_a_filled_recipe_compares_the_same(folder):
    store = Store(folder / "store")
    asked = recipe(folder, "{stage: kinds, train: {batch_size: 4}, data: {rows: {limit: 4 per label}}}")
    plan = verbs.check(asked, store=store)
    again = verbs.check(Recipe.parse(yaml.safe_dump(plan.filled, sort_keys=False)), store=store)
    assert [variant.steps for variant in again.variants] == [variant.steps for variant in plan.variants]
    assert again.filled == plan.filled


@pytest.mark.parametrize(
    ("variant", "told"),
    [
        (
            "{stage: kinds, data: other}",
            r"'kinds, data other' is not measured on the rows of 'kinds': 8 rows against 8",
        ),
        ("words", r"'words' is measured by .*perplexity.*'kinds' by accuracy"),
        ("{stage: kinds, adapt: full}", r"'kinds, adapt full' asks for the same as 'kinds'"),
        ("{stage: kinds, task: image-classification}", r"line 14: compare.variants.1 \('kinds, task image"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(folder, variant, told):
    store = Store(folder / "store")
    for verb in (verbs.check, verbs.run, verbs.compare):
        with pytest.raises(RecipeError, match=told):
            verb(recipe(folder, variant), store=store)
    assert not store.home.exists()


def test_other_data_with_the_same_test_rows_can_be_compared(folder):
    planned = plan_comparison(recipe(folder, "{stage: kinds, data: same}"), Store(folder / "store"))
    assert [variant.name for variant in planned.variants] == ["kinds", "kinds, data same"]
