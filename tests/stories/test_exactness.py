"""The model that was evaluated is the model that is used: alone or in a batch, merged or not, here or elsewhere."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import dianji
from dianji import verbs
from dianji.artefact.opened import Model
from dianji.artefact.probe import Probe
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing.tampering import KINDS, cover_up
from tests.stories.conftest import PHRASINGS, Done, write_recipe

RECIPE = """
name: exact
seed: 3
base: BASE
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  intents: {path: DATA/questions.csv, columns: {text: query, label: intent}}
stages:
  domain: {task: masked-language, data: tickets, train: {epochs: 1}, probe: synthetic}
  light:
    task: text-classification
    data: intents
    adapt: {lora: {rank: 4}}
    train: {epochs: 4, learning_rate: 2.0e-2}
"""
ROWS = 1000


@pytest.fixture(scope="module")
def done(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("exactness")
    store = Store(folder / "store")
    return Done(store, verbs.run(Recipe.load(write_recipe(folder, project, RECIPE)), store=store))


@pytest.fixture(scope="module")
def model(done: Done) -> Model:
    return dianji.open(done.artefact("light"))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """A thousand texts of 0 to 60 words, so that batches are padded and long ones are cut."""
    rng = random.Random(7)
    words = sorted({word for of in PHRASINGS.values() for text in of for word in text.split()})
    return [" ".join(rng.choices(words, k=rng.randint(0, 60))) for _ in range(ROWS)]


def shares(model: Model, texts: list[str]) -> np.ndarray:
    """(rows, labels) probabilities, in the order of the labels."""
    told = [prediction.to_json(everything=True)["probabilities"] for prediction in model.predict(texts)]
    return np.array([[one[label] for label in sorted(one)] for one in told])


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(found - expected).max() <= 1e-5


@pytest.fixture(scope="module")
def together(model: Model, texts: list[str]) -> np.ndarray:
    return shares(model, texts)


def test_alone_as_in_a_batch(model: Model, texts: list[str], together: np.ndarray) -> None:
    assert_same(np.concatenate([shares(model, [text]) for text in texts]), together)


def test_in_any_company(model: Model, texts: list[str], together: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    found = np.empty_like(together)
    for part in np.array_split(order, 13):
        found[part] = shares(model, [texts[row] for row in part])
    assert_same(found, together)


def test_padded_to_the_longest(model: Model, texts: list[str], together: np.ndarray) -> None:
    """All rows in batches of one length, that of the longest text."""
    examples = model.task.encode(pa.table({"text": texts}), model.base)
    longest = examples.take([int(np.argmax(examples["length"].to_numpy()))])
    found = []
    for start in range(0, ROWS, 100):
        batch = pa.concat_tables([examples.slice(start, 100), longest])
        collated = model.task.collate(batch, model.base, np.random.default_rng(0), purpose="predict")
        with torch.inference_mode():
            outputs = model.task.outputs(model.network, collated)
        found.append(outputs["logits"][:-1])
    logits = np.concatenate(found).astype(np.float64)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert_same(exponents / exponents.sum(axis=1, keepdims=True), together)


def test_moved_and_renamed(done: Done, model: Model, texts: list[str], together: np.ndarray, tmp_path: Path) -> None:
    copy = model.save(tmp_path / "first")
    moved = copy.rename(tmp_path / "意图 模型 2")
    assert (shares(dianji.open(moved), texts) == together).all()
    assert verbs.verify(moved, store=done.store).faults == ()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks transformers by the old name
def test_unmerged_as_merged(done: Done, model: Model, texts: list[str], together: np.ndarray) -> None:
    """The parent's weights with the adapter beside them, below the head: what was trained, before it was merged."""
    from peft import PeftModel
    from transformers import AutoModel

    unmerged = dianji.open(done.artefact("light"))
    trunk = AutoModel.from_pretrained(done.artefact("domain"), add_pooling_layer=False)
    adapted = PeftModel.from_pretrained(trunk, done.artefact("light") / "adapter").eval()
    assert any("lora_A" in name for name, _ in adapted.named_parameters())
    unmerged.network.backbone = adapted.base_model.model
    assert_same(shares(unmerged, texts), together)


def test_every_stage_is_verified_and_so_is_every_prediction(done: Done, project: Path) -> None:
    for stage, data in (("domain", "tickets.jsonl"), ("light", "questions.csv")):
        found = verbs.verify(done.artefact(stage), data=str(project / data), store=done.store)
        assert found.faults == ()
        assert {check.state for check in found.checks} == {"passed"}
        assert sum(split.compared for split in found.predictions) > 10
    assert verbs.verify_ledger(done.store).ok


def test_a_synthetic_probe_has_no_row_of_the_data(done: Done, project: Path) -> None:
    probe = Probe.read(done.artefact("domain"))
    bodies = {json.loads(line)["body"] for line in (project / "tickets.jsonl").read_text("utf-8").splitlines()}
    assert probe.synthetic
    assert probe.rows.num_rows == 32
    assert not set(probe.rows["text"].to_pylist()) & bodies
    assert not Probe.read(done.artefact("light")).synthetic


def test_where_the_probe_comes_from_is_part_of_the_digest(done: Done, project: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(write_recipe(tmp_path, project, RECIPE.replace(", probe: synthetic", "")))
    states = [stage.state for stage in verbs.check(recipe, store=done.store).stages]
    assert states == ["to do", "to do"]


def test_artefacts_of_different_tasks_are_compared_as_far_as_they_can_be(done: Done) -> None:
    found = verbs.diff(done.artefact("domain"), done.artefact("light"))
    assert not found.same_task
    assert found.notes[0].startswith("different tasks, masked-language and text-classification")
    assert found.scores == ()
    assert {"digest", "rows.train"} <= {change.key for change in found.data}
    assert "trainable_parameters" in {change.key for change in found.cost}


def test_the_log_tells_both_stages(done: Done) -> None:
    runs = verbs.log(done.store)
    assert [(run.stage, run.state, list(run.data)) for run in runs] == [
        ("domain", "done", ["tickets"]),
        ("light", "done", ["intents"]),
    ]
    assert runs[1].parent is not None
    assert runs[1].parent.digest == runs[0].step
    assert runs[1].metric == "accuracy"


def test_a_probe_made_anew_for_other_weights_does_not_fit_the_record(done: Done, tmp_path: Path) -> None:
    copy = dianji.open(done.artefact("light")).save(tmp_path / "copy")
    KINDS["weights changed, manifest rewritten"](copy)
    changed, old = dianji.open(copy), Probe.read(copy)
    replace(old, outputs=changed.outputs(old.rows)).write(copy)
    cover_up(copy)
    assert dianji.open(copy).reproduce() <= 1e-5
    found = verbs.verify(copy, store=Store(tmp_path / "elsewhere"))
    assert {fault.place for fault in found.faults} == {"evidence/validation.safetensors"}
