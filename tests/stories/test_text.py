"""The main job on a toy: tickets -> pre-training -> few labels -> fine-tuning -> a folder that predicts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import dianji
from dianji import verbs
from dianji.data.given import table_of
from dianji.errors import ArtefactError, DataError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.stories.conftest import Done, write_recipe

RECIPE = """
name: toy
seed: 3
base: BASE
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  intents:
    path: DATA/questions.csv
    columns: {text: query, label: intent}
    split: {validation: 0.2, test: 0.2, group: customer}
stages:
  domain: {task: masked-language, data: tickets, train: {epochs: 1}}
  intent:
    task: text-classification
    data: intents
    train: {epochs: 16, learning_rate: 3.0e-3}
    techniques: [early-stopping]
  light:
    from: domain
    task: text-classification
    data: intents
    adapt: {lora: {rank: 4}}
    train: {epochs: 2, accumulate: 2}
    techniques: [ema]
"""
QUESTIONS = ["where is my card?", "", "i want a refund " * 20]


@dataclass(frozen=True)
class Ran(Done):
    """With its recipe."""

    recipe: Recipe


@pytest.fixture(scope="module")
def done(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("text")
    recipe = Recipe.load(write_recipe(folder, project, RECIPE))
    store = Store(folder / "store")
    return Ran(store, verbs.run(recipe, store=store), recipe)


def test_result_has_the_documented_shape(done: Ran) -> None:
    document = json.loads(json.dumps(done.result.to_json()))
    assert {"recipe", "digest", "stages"} == set(document)
    assert [stage["name"] for stage in document["stages"]] == ["domain", "intent", "light"]
    intent = document["stages"][1]
    assert set(intent["metrics"]["test"]["accuracy"]) == {"value", "low", "high", "n"}
    assert intent["metrics"]["test"]["accuracy"]["value"] > 0.8
    costs = {"train_seconds", "samples_per_second", "peak_memory_mb", "parameters", "trainable_parameters"}
    assert costs == set(intent["cost"])
    assert set(intent["baselines"]) == {"majority", "tfidf-logistic-regression"}
    light = document["stages"][2]["cost"]
    assert light["trainable_parameters"] < light["parameters"]


def test_second_run_reuses_everything_and_again_runs_one_stage(done: Ran) -> None:
    second = verbs.run(done.recipe, store=done.store)
    assert [stage.reused for stage in second.stages] == [True, True, True]
    weights = (done.artefact("light") / "model.safetensors").read_bytes()
    third = verbs.run(done.recipe, stage="light", again=True, store=done.store)
    assert [(stage.name, stage.reused) for stage in third.stages] == [("domain", True), ("light", False)]
    assert (done.artefact("light") / "model.safetensors").read_bytes() == weights


def test_changing_the_last_stage_keeps_the_first(done: Ran, project: Path, tmp_path: Path) -> None:
    changed = Recipe.load(write_recipe(tmp_path, project, RECIPE.replace("3.0e-3", "4.0e-3")))
    states = {stage.name: stage.state for stage in verbs.check(changed, store=done.store).stages}
    assert states == {"domain": "done", "intent": "to do", "light": "done"}


@pytest.mark.parametrize("stage", ["intent", "light"])
def test_opened_artefact_predicts_alone_as_in_a_batch(done: Ran, stage: str) -> None:
    model = dianji.open(done.artefact(stage))
    together = [prediction.to_json(everything=True) for prediction in model.predict(QUESTIONS)]
    for question, expected in zip(QUESTIONS, together, strict=True):
        (alone,) = (prediction.to_json(everything=True) for prediction in model.predict([question]))
        assert alone["label"] == expected["label"]
        assert alone["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_transformers_and_sentence_transformers_open_the_folder(done: Ran) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

    folder = done.artefact("intent")
    model = dianji.open(folder)
    expected = model.outputs(table_of(QUESTIONS, model.task.columns))["logits"]
    chain = SentenceTransformer(str(folder), device="cpu")
    assert np.allclose(chain.encode(QUESTIONS), expected, atol=1e-5)
    tokens = AutoTokenizer.from_pretrained(folder)(["where is my card?"], return_tensors="pt")
    assert AutoModel.from_pretrained(folder)(**tokens).last_hidden_state.shape[-1] == 32
    assert AutoModelForMaskedLM.from_pretrained(done.artefact("domain"))(**tokens).logits.isfinite().all()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks transformers by the old name
def test_peft_opens_the_adapter_on_its_base(done: Ran) -> None:
    from peft import PeftModel
    from transformers import AutoModel, AutoTokenizer

    folder = done.artefact("light")
    tokens = AutoTokenizer.from_pretrained(folder)(QUESTIONS[:1], return_tensors="pt")
    base = AutoModel.from_pretrained(done.artefact("domain"), add_pooling_layer=False)
    adapted = PeftModel.from_pretrained(base, folder / "adapter").eval()
    merged = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    with torch.no_grad():
        difference = adapted(**tokens).last_hidden_state - merged(**tokens).last_hidden_state
    assert difference.abs().max() < 1e-5


def test_moved_and_renamed_folder_is_the_same_model(done: Ran, tmp_path: Path) -> None:
    model = dianji.open(done.artefact("light"))
    copy = model.save(tmp_path / "else" / "where")
    assert dianji.open(copy).reproduce() <= 1e-5
    with pytest.raises(ArtefactError, match="something there already"):
        model.save(copy)


def test_one_flipped_byte_is_found(done: Ran, tmp_path: Path) -> None:
    copy = dianji.open(done.artefact("intent")).save(tmp_path / "copy")
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(ArtefactError, match=r"model.safetensors: changed"):
        dianji.open(copy)


def test_predicting_and_evaluating_files(done: Ran, project: Path, tmp_path: Path) -> None:
    source = tmp_path / "new.txt"
    source.write_text("where is my card?\ni want my money back\n", encoding="utf-8")
    found = list(verbs.predict_file(done.artefact("intent"), str(source)))
    assert [row["row"] for row in found] == [1, 2]
    assert found[0]["text"] == "where is my card?"
    assert {"label", "probability"} == set(found[0]["prediction"])
    columns = {"text": "query", "label": "intent"}
    measured = verbs.evaluate(done.artefact("intent"), str(project / "questions.csv"), columns=columns)
    assert measured.rows == 90
    assert measured.metrics["accuracy"].n == 90


def test_evaluating_on_an_unknown_label_names_the_row(done: Ran, tmp_path: Path) -> None:
    source = tmp_path / "odd.csv"
    source.write_text("text,label\nmy card,card\nmy money,refnud\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3.*refnud.*Did you mean 'refund'"):
        verbs.evaluate(done.artefact("intent"), str(source))


def test_show_tells_where_it_comes_from(done: Ran) -> None:
    told = verbs.show(done.artefact("light"))
    assert told["labels"] == ["card", "login", "refund"]
    assert told["parents"][0]["name"] == "domain"
    assert told["metrics"]["metrics"]["test"]["accuracy"]["n"] > 0
    assert "adapter/adapter_model.safetensors" in told["files"]
    assert not [name for name in told["files"] if name.endswith((".bin", ".pt", ".pkl", ".pickle", ".npy"))]


def test_evidence_holds_data_report_and_curves(done: Ran) -> None:
    evidence = done.artefact("intent") / "evidence"
    report = json.loads((evidence / "data.json").read_text(encoding="utf-8"))
    assert "tokens" in json.dumps(report)
    events = [json.loads(line) for line in (evidence / "events.jsonl").read_text().splitlines()]
    assert {"step", "evaluation"} <= {event["event"] for event in events}


def test_three_lines_of_python(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: Ran) -> None:
    monkeypatch.setenv("DIANJI_HOME", str(tmp_path / "home"))
    base = str(done.artefact("domain"))
    model = dianji.finetune(base, project / "questions.csv", task="text-classification", text="query", label="intent")
    assert model.predict(["where is my card?"])[0].to_json()["label"] in {"card", "login", "refund"}
    assert (model.save(tmp_path / "intent-model") / "dianji.json").is_file()


def test_a_model_may_be_asked_in_another_precision(done: Ran) -> None:
    plain = dianji.open(done.artefact("intent")).predict(QUESTIONS)
    rounded = dianji.open(done.artefact("intent"), precision="bf16").predict(QUESTIONS)
    for one, other in zip(plain, rounded, strict=True):
        assert other.to_json(everything=True)["probabilities"] == pytest.approx(
            one.to_json(everything=True)["probabilities"], abs=0.05
        )
    assert [p.to_json() for p in rounded] != [p.to_json() for p in plain]
