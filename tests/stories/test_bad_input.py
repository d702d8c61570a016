"""What goes wrong is told with its place and its remedy, and leaves nothing half-written."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from dianji import verbs
from dianji.artefact.probe import Probe
from dianji.errors import ArtefactError, RecipeError, StoreError, TrainingError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.stories.conftest import Watcher, write_recipe

RECIPE = """
name: toy
base: BASE
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  intents: {path: DATA/questions.csv, columns: {text: query, label: intent}}
  shapes: {path: DATA/shapes, format: images}
stages:
  intent:
    task: text-classification
    data: intents
    train: {epochs: 2, batch_size: 8, checkpoint_every: 1}
    techniques: [ema]
"""


def load(folder: Path, project: Path, text: str = RECIPE) -> Recipe:
    return Recipe.load(write_recipe(folder, project, text))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("data: intents\n", "data: tickets\n", r"label"),
        ("task: text-classification", "task: text-clasification", r"line 10: .*Did you mean 'text-classification'"),
        ("base: BASE", "base: {new: vit}", r"'vit' is (an architecture )?for image, and the task works on text"),
        ("base: BASE", "base: no-such-base", r"there is no base 'no-such-base'"),
        ("query", "qeury", r"Did you mean 'query'"),
        ("questions.csv", "question.csv", r"question.csv"),
        ("batch_size: 8", "batch_size: eight", r"line 12: stages.intent.train.batch_size"),
        ("epochs: 2", "epochs: 2, steps: 3", r"one of epochs, steps or minutes"),
        ("[ema]", "[{ema: {decay: 2}}]", r"decay"),
    ],
)
def test_recipe_faults_are_found_before_anything_is_begun(
    project: Path, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(RecipeError, match=expected):
        verbs.run(load(tmp_path, project, RECIPE.replace(old, new)), store=store)
    assert not store.home.exists()


def test_all_faults_of_a_recipe_are_told_at_once(project: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("[ema]", "[emma]").replace("query", "qeury").replace("text-classification", "text")
    with pytest.raises(RecipeError) as caught:
        verbs.check(load(tmp_path, project, text), store=Store(tmp_path / "store"))
    assert len(caught.value.faults) >= 2


def test_nan_loss_names_stage_and_step(project: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("batch_size: 8", "batch_size: 8, learning_rate: 1.0e+30, clip_norm: null, precision: fp32")
    with pytest.raises(TrainingError, match=r"stage intent: the loss is (nan|inf) in step \d+"):
        verbs.run(load(tmp_path, project, text), store=Store(tmp_path / "store"))


def test_disk_full_while_saving_leaves_no_artefact_and_the_next_run_goes_on(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, store = load(tmp_path, project), Store(tmp_path / "store")

    def full(self: Probe, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Probe, "write", full)
        with pytest.raises(StoreError, match=r"disk is full .* run the same command again"):
            verbs.run(recipe, store=store)
    (step,) = (store.home / "steps").iterdir()
    assert not (step / "artefact").exists()
    assert not [path for path in step.iterdir() if path.name.startswith(".artefact")]
    watcher = Watcher()
    assert not verbs.run(recipe, store=store, reporter=watcher).stages[0].reused
    assert watcher.steps == 0  # training was over and is not done again


def test_read_only_store_is_told(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load(tmp_path, project)

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"cannot be written .* set DIANJI_HOME"):
        verbs.run(recipe, store=Store(tmp_path / "store"))


def test_a_second_run_of_the_same_step_is_refused(project: Path, tmp_path: Path) -> None:
    recipe, store = load(tmp_path, project), Store(tmp_path / "store")
    (planned,) = verbs.check(recipe, store=store).stages
    with store.step(planned.digest).locked(), pytest.raises(StoreError, match="another process"):
        verbs.run(recipe, store=store)


def test_a_model_that_changes_on_its_way_to_the_disk_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, store = load(tmp_path, project), Store(tmp_path / "store")
    honest = Probe.draw

    def drift(*arguments: object) -> Probe:
        probe = honest(*arguments)  # type: ignore[arg-type]  # passed on as they came
        return replace(probe, outputs={name: value + 1e-3 for name, value in probe.outputs.items()})

    monkeypatch.setattr(Probe, "draw", drift)
    with pytest.raises(ArtefactError, match="does not reproduce its probe"):
        verbs.run(recipe, store=store)
    (step,) = (store.home / "steps").iterdir()
    assert not (step / "artefact").exists()
    assert not (step / "DONE").exists()


def test_damaged_checkpoint_is_passed_over_and_the_result_is_the_same(project: Path, tmp_path: Path) -> None:
    recipe = load(tmp_path, project)
    whole = verbs.run(recipe, store=Store(tmp_path / "whole")).stages[0]
    store = Store(tmp_path / "store")
    with pytest.raises(RuntimeError, match="killed"):
        verbs.run(recipe, store=store, reporter=Watcher(crash_at=6))
    (newest, before) = sorted(store.step(whole.digest).checkpoints.iterdir(), reverse=True)
    damaged = bytearray((newest / "state.safetensors").read_bytes())
    damaged[-1] ^= 1
    (newest / "state.safetensors").write_bytes(damaged)
    watcher = Watcher()
    resumed = verbs.run(recipe, store=store, reporter=watcher).stages[0]
    assert any("damaged checkpoint" in warning for warning in watcher.warnings)
    assert int(before.name) < int(newest.name)
    weights = [stage.artefact / "model.safetensors" for stage in (whole, resumed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert resumed.to_json()["metrics"] == whole.to_json()["metrics"]
