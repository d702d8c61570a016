"""Translation on a toy: parallel files -> a new encoder-decoder -> a folder that writes, verified and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import dianji
from dianji import verbs
from dianji.artefact.record import Record
from dianji.cli import invoke
from dianji.evaluate.generated import Generated
from dianji.spec.sections import Recipe
from dianji.store.digest import digest_file
from dianji.store.steps import Store
from dianji.tasks.text_to_text import WrittenText
from tests.stories.conftest import Done, Watcher

pytest.importorskip("sacrebleu")

WORDS = {"the": "der", "man": "Mann", "dog": "Hund", "red": "rote", "sees": "sieht", "a": "ein", "big": "große"}
RECIPE = """
name: toy
seed: 3
base: {new: seq2seq, layers: 1, width: 32, heads: 2, vocabulary: 320, length: 32, dropout: 0.1}
data:
  pairs: {path: DATA}
stages:
  translate:
    task: {text-to-text: {beams: 2}}
    data: pairs
    train: {epochs: 4, batch_tokens: 256, learning_rate: 5.0e-3}
    techniques: [ema]
  onward:
    from: translate
    task: {text-to-text: {beams: 1}}
    data: pairs
    adapt: ADAPT
    train: {steps: 3}
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for split, rows in (("train", 120), ("val", 12), ("test", 12)):
        texts = [rng.choice(list(WORDS), size=rng.integers(2, 7)).tolist() for _ in range(rows)]
        (folder / f"{split}.en").write_text("".join(" ".join(text) + "\n" for text in texts))
        (folder / f"{split}.de").write_text("".join(" ".join(WORDS[word] for word in text) + "\n" for text in texts))
    return folder


def recipe(folder: Path, pairs: Path, adapt: str = "{lora: {rank: 2}}") -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("DATA", str(pairs)).replace("ADAPT", adapt), encoding="utf-8")
    return Recipe.load(path)


@pytest.fixture(scope="module")
def done(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("translate")
    store = Store(folder / "store")
    return Done(store, verbs.run(recipe(folder, pairs), store=store))


def test_it_is_measured_beside_its_baselines(done: Done) -> None:
    stage = done.result.to_json()["stages"][0]
    assert list(stage["metrics"]["test"]) == ["bleu", "chrf", "length-ratio", "exact-match"]
    assert set(stage["baselines"]) == {"source-copy", "nearest-source"}
    figures = json.loads((done.artefact("translate") / "evidence/metrics.json").read_text())
    assert figures["signatures"]["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert figures["signatures"]["bleu"] in (done.artefact("translate") / "README.md").read_text()
    epochs = [
        json.loads(line)
        for line in (done.artefact("translate") / "evidence/events.jsonl").read_text().split("\n")
        if line
    ]
    scored = [event["perplexity"] for event in epochs if event["event"] == "evaluation"]
    assert scored[-1] < scored[0]


@pytest.mark.parametrize("stage", ["translate", "onward"])
def test_it_predicts_what_was_measured_and_is_verified(done: Done, pairs: Path, stage: str) -> None:
    artefact = done.artefact(stage)
    record = cast(Generated, Record.read(artefact / "evidence", "test", [Generated]).outcome)
    sources = (pairs / "test.en").read_text().splitlines()
    written = [cast(WrittenText, found).generated for found in dianji.open(artefact).predict(sources)]
    assert sorted(written) == sorted(record.texts[0])
    assert not verbs.verify(artefact).faults
    assert not verbs.verify(artefact, data=str(pairs)).faults


def test_the_command_line_writes_texts(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["predict", str(done.artefact("translate")), "--text", "the red dog", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["predictions"]
    assert set(row["prediction"]) == {"generated", "complete"}


def test_the_report_shows_what_was_written(done: Done, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    verbs.report(done.artefact("translate"), out=page)
    text = page.read_text(encoding="utf-8")
    assert "What the model writes" in text
    assert "tok:13a" in text


@pytest.mark.parametrize("adapt", ["full", "{last-layers: {layers: 1}}"])
def test_other_adaptations_run_on_from_an_artefact(done: Done, pairs: Path, tmp_path: Path, adapt: str) -> None:
    result = verbs.run(recipe(tmp_path, pairs, adapt), store=done.store)
    assert result.stages[0].reused
    assert result.stages[1].metrics["test"]["bleu"].n == 12


def test_a_killed_run_ends_with_the_same_bytes(done: Done, pairs: Path, tmp_path: Path) -> None:
    store, asked = Store(tmp_path / "store"), recipe(tmp_path, pairs)
    with pytest.raises(RuntimeError, match="killed"):
        verbs.run(asked, store=store, stage="translate", reporter=Watcher(crash_at=9))
    again = verbs.run(asked, store=store, stage="translate")
    weights = "model.safetensors"
    assert digest_file(again.stages[0].artefact / weights) == digest_file(done.artefact("translate") / weights)
