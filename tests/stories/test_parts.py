"""One stage, two tasks: one base, a head each; every verb works on each part."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import dianji
from dianji.artefact.manifest import Manifest
from dianji.errors import ArtefactError, RecipeError
from dianji.spec.sections import Recipe
from dianji.verbs import check, evaluate, report, run, verify

from .conftest import write_recipe

RECIPE = """
name: joint
seed: 3
base: BASE
data:
  intents: {path: DATA/questions.csv, columns: {text: query, label: intent}}
  moods: {path: DATA/moods.csv}
stages:
  both:
    parts:
      intents: {task: text-classification, data: intents}
      moods: {task: {text-classification: {several: true}}, data: moods, weight: 0.5}
    mix: MIX
    adapt: ADAPT
    train: {epochs: 3, batch_size: 8, checkpoint_every: 1}
    techniques: [{ema: {decay: 0.9}}]
    evaluate: {resamples: 100}
"""


@pytest.fixture
def recipe(tmp_path, project):
    def made(adapt: str = "full", mix: str = "{}") -> Path:
        moods = "".join(
            f"row {n} is {'good' if n % 2 else 'bad'},{'joy|calm' if n % 2 else 'anger'}\n" for n in range(40)
        )
        (project / "moods.csv").write_text("text,labels\n" + moods, encoding="utf-8")
        text = RECIPE.replace("ADAPT", adapt).replace("MIX", mix)
        return write_recipe(tmp_path, project, text)

    return made


@pytest.mark.parametrize(
    ("adapt", "mix"),
    [
        ("full", "{}"),
        ("{lora: {rank: 2}}", "{temperature: 4.0}"),
        ("frozen", "{uncertainty: true}"),
        ("last-layers", "{}"),
    ],
)
def test_two_tasks_learn_together_and_each_is_an_artefact(recipe, adapt, mix, tmp_path, project, monkeypatch):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    path = recipe(adapt, mix)
    (stage,) = run(Recipe.load(path)).stages
    assert stage.primary == "intents/accuracy"
    assert {name.partition("/")[0] for name in stage.metrics["test"]} == {"intents", "moods"}
    whole = Manifest.read(stage.artefact)
    assert whole.parts == ["intents", "moods"]
    whole.check_files(stage.artefact)
    for part in whole.parts:
        folder = stage.artefact / "parts" / part
        assert Manifest.read(folder).part == part
        assert verify(folder).ok, verify(folder)
        model = dianji.open(folder)
        assert model.reproduce() < 1e-5
    trunks = [trunk(stage.artefact / "parts" / part) for part in whole.parts]
    assert trunks[0].keys() == trunks[1].keys()
    assert all((trunks[0][name] == trunks[1][name]).all() for name in trunks[0])
    (prediction,) = dianji.open(stage.artefact / "parts" / "moods").predict(["row 1 is good"])
    assert set(prediction.to_json()) == {"labels"}
    measured = evaluate(stage.artefact / "parts" / "moods", str(project / "moods.csv"))
    assert measured.rows == 40
    with pytest.raises(ArtefactError, match=r"Name one of them: .*intents, .*moods"):
        dianji.open(stage.artefact)
    again = run(Recipe.load(path))
    assert again.stages[0].reused


def trunk(folder: Path) -> dict[str, Any]:
    """Weights that the parts share: all but the head and a pooler that nobody reads."""
    found = load_file(folder / "model.safetensors")
    return {name: value for name, value in found.items() if "pooler" not in name and "classifier" not in name}


def test_a_later_stage_starts_from_the_part_with_its_own_task(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    path = recipe()
    later = "  later: {from: both, task: text-classification, data: intents, train: {steps: 2, batch_size: 8}}\n"
    path.write_text(path.read_text() + later)
    both, after = run(Recipe.load(path)).stages
    assert dianji.open(after.artefact).reproduce() < 1e-5
    assert both.digest in json.dumps(Manifest.read(after.artefact).parents[0].digest)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("    adapt: ADAPT", "    task: text-classification\n    adapt: ADAPT"), "has no task of its own"),
        (("data: moods, weight", "data: mods, weight"), "there is no data section 'mods'. Did you mean 'moods'"),
        (("mix: MIX", "mix: {temprature: 2.0}"), "temprature"),
        (
            ("moods: {task: {text-classification", "moods: {task: {text-clasification"),
            "Did you mean 'text-classification'",
        ),
    ],
)
def test_faults_name_the_part(tmp_path, project, change, expected):
    text = RECIPE.replace(*change).replace("MIX", "{}").replace("ADAPT", "full")
    with pytest.raises(RecipeError, match=expected):
        check(Recipe.load(write_recipe(tmp_path, project, text)))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.safetensors"))
    }


def test_parts_are_compared_one_at_a_time_also_with_a_stage_of_its_own(recipe, tmp_path, project, monkeypatch):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    path = recipe()
    alone = """  alone:
    task: {text-classification: {several: true}}
    data: moods
    from: BASE
    train: {epochs: 3, batch_size: 8}
compare: {seeds: 1, part: PART, variants: [both, {stage: both, adapt: frozen}, alone]}
"""
    base = json.dumps(Recipe.load(path).to_json()["base"])
    text = path.read_text(encoding="utf-8") + alone.replace("BASE", base)
    path.write_text(text.replace("PART", "moods"), encoding="utf-8")
    compared = run(Recipe.load(path)).comparison
    assert compared is not None
    assert [variant.name for variant in compared.variants] == ["both", "both, adapt frozen", "alone"]
    assert all(variant.failure is None for variant in compared.variants)
    assert compared.metric == "micro-f1"
    for variant in compared.variants:
        folder = variant.artefacts[0] / ("parts/moods" if variant.stage == "both" else ".")
        measured = json.loads((folder / "evidence/metrics.json").read_text(encoding="utf-8"))["metrics"]["test"]
        assert variant.score is not None
        assert variant.score.value == pytest.approx(measured["micro-f1"]["value"])
    assert any("Only the part 'moods' is compared" in str(note) for note in compared.notes)
    report(path, out=tmp_path / "report.html")
    path.write_text(text.replace("PART", "mods"), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"has no part 'mods', which compare\.part names\. Did you mean 'moods'"):
        run(Recipe.load(path))


SAME_ROWS = """
name: joint
seed: 3
base: {new: transformer, layers: 1, width: 16, heads: 2, length: 16, vocabulary: 60}
data:
  rows: {path: DATA/turns.jsonl, split: {validation: 0.2, test: 0.2GROUP}}
stages:
  both:
    parts:
      intent: {task: text-classification, data: rows}
      first: {task: sequence-tagging, data: rows}
    train: {epochs: 1, batch_size: 8}
    evaluate: {resamples: 100, baselines: false}
"""


@pytest.mark.parametrize("group", ["", ", group: dialogue"])
def test_parts_on_the_same_rows_are_divided_alike_by_group_or_it_is_told(tmp_path, project, monkeypatch, group):
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    rows = [
        {
            "text": f"row {number} is {'good' if number % 2 else 'bad'}",
            "label": "ab"[number % 2],
            "spans": [{"start": 0, "end": 3, "label": "ROW"}],
            "dialogue": f"d{number // 4}",
        }
        for number in range(60)
    ]
    (project / "turns.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = write_recipe(tmp_path, project, SAME_ROWS.replace("GROUP", group))
    plan = check(Recipe.load(path))
    told = [warning for warning in plan.warnings if "share a base" in warning]
    assert bool(told) == (not group)
    assert all("of part 'intent' train" in one or "of part 'first' train" in one for one in told)
    assert all("split: {group: …}" in one and "turns.jsonl, line" in one for one in told)
    (stage,) = plan.stages
    assert stage.memory_mb is not None
    if group:
        (ran,) = run(Recipe.load(path)).stages
        events = [
            json.loads(line) for line in (ran.artefact / "parts/intent/evidence/events.jsonl").read_text().splitlines()
        ]
        steps = sum(event["event"] == "step" for event in events)
        assert steps == -(-stage.rows["train"] // 2 // 8)  # a batch has eight texts, each with both labels
