"""A procedure of several rounds: rows that the round before decides, exact resume inside and between rounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from dianji.procedures.base import Material, Round
from dianji.registry import component
from dianji.spec.sections import Recipe
from dianji.tasks.answers import LabelPrediction
from dianji.verbs import run, verify

from .conftest import Watcher, write_recipe

RECIPE = """
name: rounds
seed: 5
base: BASE
data:
  questions: {path: DATA/questions.csv, columns: {text: query, label: intent}}
stages:
  intent:
    task: text-classification
    data: questions
    procedure: {toy-doubtful: {rounds: 3}}
    train: {epochs: 2, batch_size: 8, checkpoint_every: 1}
    techniques: [{ema: {decay: 0.9}}]
    evaluate: {resamples: 100, baselines: false}
"""


@component("procedure", "toy-doubtful")
@dataclass(frozen=True)
class Doubtful:
    """The first round learns from a third of the rows, each later one from the half that its forerunner doubts most."""

    single: ClassVar[bool] = False

    rounds: int = 3
    fresh: bool = True

    def next(self, done: Sequence[Mapping[str, float]]) -> Round | None:
        assert all("accuracy" in scores for scores in done)
        return Round(len(done), self.fresh) if len(done) < self.rounds else None

    def rows(self, round: Round, material: Material) -> pa.Table:
        rows = material.train
        if material.predict is None:
            return rows.slice(0, rows.num_rows // 3)
        sure = []
        for prediction in material.predict(rows):
            assert isinstance(prediction, LabelPrediction)
            sure.append(prediction.probability)
        order = sorted(range(len(sure)), key=sure.__getitem__)
        return rows.take(pa.array(sorted(order[: len(order) // 2])))


def recipe(tmp_path: Path, project: Path, text: str = RECIPE) -> Recipe:
    return Recipe.load(write_recipe(tmp_path, project, text))


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("fresh", ["true", "false"])
def test_killed_runs_end_in_the_same_bytes(tmp_path, project, monkeypatch, fresh):
    text = RECIPE.replace("rounds: 3", f"rounds: 3, fresh: {fresh}")
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "whole"))
    (whole,) = run(recipe(tmp_path, project, text)).stages
    assert verify(whole.artefact).ok
    rounds = sorted((whole.artefact.parent / "rounds").iterdir())
    assert [json.loads((of / "done" / "round.json").read_text())["trained"]["steps"] for of in rounds] == [6, 8, 8]
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "killed"))
    for crash_at in (3, 2, 7, 1, 5):  # inside the first round, again inside it, in a later one …
        with pytest.raises(RuntimeError, match="killed"):
            run(recipe(tmp_path, project, text), reporter=Watcher(crash_at))
    (resumed,) = run(recipe(tmp_path, project, text)).stages
    assert resumed.digest == whole.digest
    assert weights(resumed.artefact) == weights(whole.artefact)
    assert resumed.metrics == whole.metrics


def test_rounds_are_part_of_the_digest(tmp_path, project, monkeypatch):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    texts = (
        RECIPE,
        RECIPE.replace("rounds: 3", "rounds: 2"),
        RECIPE.replace("    procedure: {toy-doubtful: {rounds: 3}}\n", ""),
    )
    from dianji.verbs import check

    assert len({check(recipe(tmp_path, project, text)).stages[0].digest for text in texts}) == 3
