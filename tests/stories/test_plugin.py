"""A package beside Dianji brings a task with a metric of its own: listed, checked, run, opened, predicted with."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PLUGINS = Path(__file__).parent / "plugin"
ENTRY_POINTS = """
[dianji.task]
text-count = dianji_counting:TextCount

[dianji.metric]
count-error = dianji_counting:CountError
"""
RECIPE = """
name: counting
base: {new: transformer, layers: 1, width: 32, heads: 2, length: 16, vocabulary: 100}
data:
  words: {path: words.csv}
stages:
  count:
    task: {text-count: {length: 12}}
    data: words
    adapt: full
    train: {epochs: 25, batch_size: 8, learning_rate: 3.0e-3}
    techniques: [ema]
"""
pytestmark = pytest.mark.slow  # every command is a process of its own
WORDS = ("card", "late", "refund", "order", "parcel")


@dataclass(frozen=True)
class Project:
    """A folder with data and a recipe, and an interpreter that finds the plug-in."""

    folder: Path
    site: Path

    def python(self, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.site), "DIANJI_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def dianji(self, *arguments: str) -> Any:
        return json.loads(self.python("-m", "dianji", *arguments, "--json"))


def install(tmp_path_factory: pytest.TempPathFactory, module: str, entry_points: str) -> Project:
    """An empty project beside a plug-in that looks as if pip had installed it."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("project")
    installed = site / f"{module}-1.0.dist-info"
    installed.mkdir()
    name = module.replace("_", "-")
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(entry_points)
    shutil.copy(PLUGINS / f"{module}.py", site)
    return Project(folder, site)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = install(tmp_path_factory, "dianji_counting", ENTRY_POINTS)
    (project.folder / "recipe.yaml").write_text(RECIPE)
    with (project.folder / "words.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(60):
            count = 1 + number % 6
            rows.writerow([" ".join(WORDS[(number + place) % len(WORDS)] for place in range(count)), count])
    return project


@pytest.fixture(scope="module")
def stage(project: Project) -> Any:
    (stage,) = project.dianji("run", "recipe.yaml")["stages"]
    return stage


def test_the_task_is_listed_with_its_arguments(project: Project) -> None:
    found = {component["name"]: component for component in project.dianji("list", "tasks")["components"]}
    assert {"text-count", "text-classification"} <= set(found)
    assert [argument["name"] for argument in found["text-count"]["arguments"]] == ["length", "mean"]


def test_without_the_package_the_name_is_unknown(project: Project) -> None:
    alone = Project(project.folder, project.folder)
    with pytest.raises(AssertionError, match="text-count"):
        alone.dianji("check", "recipe.yaml")


def test_a_run_measures_with_its_metric_and_learns(stage: Any) -> None:
    assert set(stage["metrics"]["test"]) == {"count-error"}
    guessing = 1.5  # of always saying the mean of one to six
    assert stage["metrics"]["test"]["count-error"]["value"] < 0.7 * guessing
    assert stage["baselines"] == {}


def test_the_artefact_holds_what_the_task_learnt_and_predicts(project: Project, stage: Any) -> None:
    manifest = json.loads((Path(stage["artefact"]) / "dianji.json").read_text())
    assert manifest["task"]["name"] == "text-count@1"
    assert 3 < manifest["task"]["arguments"]["mean"] < 4
    found = project.dianji(
        "predict", stage["artefact"], "--text", "card", "--text", "late refund order parcel card late"
    )
    one, six = (row["prediction"]["count"] for row in found["predictions"])
    assert one < 3 < 4 < six
