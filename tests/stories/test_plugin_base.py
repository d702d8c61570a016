"""A package beside Dianji brings a model that no Auto class of transformers knows: trained, opened, continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stories.test_plugin import Project, install

ENTRY_POINTS = """
[dianji.processor]
entity-table = dianji_entities:EntityTable

[dianji.architecture]
entity-vectors = dianji_entities:EntityVectors

[dianji.task]
entity-classification = dianji_entities:EntityClassification
"""
RECIPE = """
name: entities
base: {new: entity-vectors, width: 16}
data:
  customers: {path: customers.csv, split: {validation: 0.2, test: 0.2}}
stages:
  segment:
    task: entity-classification
    data: customers
    adapt: full
    train: {epochs: 30, batch_size: 8, learning_rate: 3.0e-2}
  again:
    from: segment
    task: entity-classification
    data: customers
    adapt: frozen
    train: {epochs: 2, batch_size: 8, learning_rate: 1.0e-2}
"""
pytestmark = pytest.mark.slow  # every command is a process of its own


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = install(tmp_path_factory, "dianji_entities", ENTRY_POINTS)
    (project.folder / "recipe.yaml").write_text(RECIPE)
    rows = [f"customer-{number % 12},{'often' if number % 12 < 6 else 'seldom'}" for number in range(120)]
    (project.folder / "customers.csv").write_text("\n".join(["id,label", *rows]) + "\n")
    return project


@pytest.fixture(scope="module")
def stages(project: Project) -> Any:
    return project.dianji("run", "recipe.yaml")["stages"]


def test_it_learns_what_the_entities_are(stages: Any) -> None:
    assert [stage["metrics"]["test"]["accuracy"]["value"] for stage in stages] == [1.0, 1.0]


def test_the_artefact_holds_the_table_and_is_verified(project: Project, stages: Any) -> None:
    artefact = Path(stages[-1]["artefact"])
    assert len(json.loads((artefact / "entities.json").read_text())) == 12
    found = project.dianji("predict", str(artefact), "--column", "id=id", "customers.csv")
    assert len(found["predictions"]) == 120
    found = project.dianji("verify", str(artefact), "--data", "customers.csv")  # exits with 1 if anything is wrong
    assert {split["split"]: split["compared"] for split in found["predictions"]} == {"validation": 24, "test": 24}


def test_a_stage_starts_from_its_folder(project: Project, stages: Any) -> None:
    base = Path(stages[0]["artefact"]).absolute()
    (project.folder / "more.yaml").write_text(
        RECIPE.replace("{new: entity-vectors, width: 16}", str(base)).replace("name: entities", "name: more")
    )
    more = project.dianji("run", "more.yaml", "--stage", "segment")["stages"]
    assert more[0]["metrics"]["test"]["accuracy"]["value"] == 1.0


def test_a_base_for_texts_is_refused(project: Project) -> None:
    (project.folder / "wrong.yaml").write_text(
        RECIPE.replace("{new: entity-vectors, width: 16}", "{new: transformer, layers: 1, width: 32, heads: 2}")
    )
    with pytest.raises(
        AssertionError, match=r"is an architecture for text, and the task works on entity. For entity: entity-vectors"
    ):
        project.dianji("check", "wrong.yaml")
