"""A comparison on a toy: interrupted, continued, with a variant that fails, and with too little to judge by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from dianji import verbs
from dianji.comparison import Comparison
from dianji.errors import TrainingError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.report.page import Found
from tests.stories.conftest import Watcher, write_recipe

pytestmark = pytest.mark.slow

RECIPE = """
name: toy
seed: 3
base: BASE
data:
  intents: {path: DATA/questions.csv, columns: {text: query, label: intent}, split: {validation: 0.1, test: 0.4}}
stages:
  domain: {task: masked-language, data: intents, train: {steps: 2}}
  intent:
    task: text-classification
    data: intents
    train: {epochs: 8, learning_rate: 5.0e-3}
    evaluate: {baselines: false}
compare:
  seeds: 2
  variants:
    - intent
    - {stage: intent, name: idle, adapt: frozen, train: {steps: 1, learning_rate: 1.0e-9, head_learning_rate: 1.0e-9}}
    - {stage: intent, name: broken, adapt: {last-layers: {layers: 5}}}
"""


class Interrupting(Watcher):
    """Stops as Ctrl-C would, some steps into the second run of ``intent``."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        try:
            super().advance(amount, **figures)
        except RuntimeError:
            raise KeyboardInterrupt from None


@dataclass(frozen=True)
class Done:
    recipe: Recipe
    store: Store
    comparison: Comparison
    finished_before: dict[str, float]  # step -> when it was done, of the run that was interrupted
    finished_after: dict[str, float]
    warnings: list[str]


def done_at(store: Store) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime for path in store.home.glob("steps/*/DONE")}


@pytest.fixture(scope="module")
def done(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("compare")
    recipe, store = Recipe.load(write_recipe(folder, project, RECIPE)), Store(folder / "store")
    with pytest.raises(KeyboardInterrupt):
        verbs.run(recipe, reporter=Interrupting(crash_at=35), store=store)
    before = done_at(store)
    watcher = Watcher()
    comparison = verbs.run(recipe, reporter=watcher, store=store).comparison
    assert comparison is not None
    return Done(recipe, store, comparison, before, done_at(store), watcher.warnings)


def test_an_interrupted_comparison_goes_on(done: Done):
    assert 2 <= len(done.finished_before) < 5
    assert done.finished_before.items() <= done.finished_after.items()
    assert len(done.finished_after) == 5, "domain once, two variants with two seeds"


def test_the_others_finish_where_one_fails(done: Done):
    intent, idle, broken = done.comparison.variants
    assert broken.score is None
    assert broken.failure is not None
    assert "last-layers: 5 layers are asked for" in broken.failure
    assert any("'broken' failed" in warning for warning in done.warnings)
    assert intent.score is not None
    assert idle.score is not None
    assert len(intent.values) == len(idle.values) == len(intent.artefacts) == 2
    assert intent.score.value == pytest.approx(sum(intent.values) / 2)
    assert intent.score.low <= intent.score.value <= intent.score.high


def test_what_is_said(done: Done):
    intent, idle, _ = done.comparison.variants
    assert done.comparison.rows == 36
    assert intent.against_first is None
    assert idle.against_first is not None
    assert idle.against_first.verdict == "worse"
    assert idle.against_first.difference.high < 0
    assert done.comparison.recommendation is not None
    assert done.comparison.recommendation.variant == "intent"
    notes = " ".join(map(str, done.comparison.notes))
    assert "2 seeds show the variation between seeds only roughly" in notes
    assert "Stages before the compared one ran once" in notes
    assert "threads of the CPU: 1" in notes


def test_costs_are_measured(done: Done):
    intent, idle, _ = done.comparison.variants
    assert intent.cost is not None
    assert idle.cost is not None
    assert idle.cost.trained_parameters < idle.cost.parameters == intent.cost.parameters
    assert intent.cost.trained_parameters == intent.cost.parameters
    assert intent.cost.train_seconds > idle.cost.train_seconds
    assert min(intent.cost.milliseconds, intent.cost.peak_memory_mb) > 0
    assert intent.cost.bytes > 4 * intent.cost.parameters


def test_again_it_says_the_same_without_training_and_is_kept_in_the_store(done: Done):
    before = done_at(done.store)
    again = verbs.compare(done.recipe, store=done.store)
    assert again == done.comparison
    assert done_at(done.store) == before
    kept = json.loads(done.store.comparison(again.digest).read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(again.to_json()))
    states = [(variant.name, variant.done) for variant in verbs.check(done.recipe, store=done.store).variants]
    assert states == [("intent", 2), ("idle", 2), ("broken", 0)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_on_the_recipe_tells_of_it(done: Done, tmp_path: Path, language: str):
    before = done_at(done.store)
    path = done.store.home.parent / "recipe.yaml"
    found = verbs.report(path, out=tmp_path / "report.html", language=language, store=done.store)
    page = Found(found.report.read_text(encoding="utf-8"))
    assert page.faults == []
    assert found.chapters[0] == {"en": "Comparison", "zh": "比较"}[language]
    assert {"en": "Ship 'intent'", "zh": "建议采用“intent”"}[language] in page.text
    assert "last-layers: 5 layers are asked for" in page.text
    assert done_at(done.store) == before


def test_one_stage_alone_compares_nothing(done: Done):
    assert verbs.run(done.recipe, stage="intent", store=done.store).comparison is None


def test_too_few_rows_give_no_verdict_and_one_seed_is_said(done: Done, project: Path, tmp_path: Path):
    few = (
        RECIPE.replace("test: 0.4", "test: 0.1")
        .replace("seeds: 2", "seeds: 1")
        .replace("epochs: 8", "steps: 1")
        .replace("    - {stage: intent, name: broken, adapt: {last-layers: {layers: 5}}}\n", "")
    )
    found = verbs.compare(Recipe.load(write_recipe(tmp_path, project, few)), store=done.store)
    against = found.variants[1].against_first
    assert against is not None
    assert against.verdict == "no verdict"
    assert found.recommendation is None
    assert any("9 test rows: a paired test needs at least 30" in str(note) for note in found.notes)
    assert any("One seed" in str(note) for note in found.notes)


def test_where_all_fail_there_is_no_answer(done: Done, project: Path, tmp_path: Path):
    broken = """
compare:
  seeds: 1
  variants:
    - {stage: intent, name: one, adapt: {last-layers: {layers: 5}}}
    - {stage: intent, name: two, adapt: {last-layers: {layers: 6}}}
"""
    text = RECIPE.partition("compare:")[0] + broken
    with pytest.raises(TrainingError, match=r"(?s)every variant .* failed.*one: .*5 layers.*two: .*6 layers"):
        verbs.compare(Recipe.load(write_recipe(tmp_path, project, text)), store=done.store)
