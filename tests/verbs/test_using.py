"""Predicting files: a chunk at a time gives what all at once gives, in order; what is cut is said; memory is flat."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pytest

from dianji import verbs
from dianji.artefact import opened
from dianji.cli import invoke
from dianji.errors import DataError
from dianji.reporting import Silent
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys

RECIPE = """
name: toy
base: {new: transformer, layers: 1, width: 16}
data: {rows: {path: rows.csv, split: {validation: 0.25, test: 0.25}}}
stages:
  kind:
    task: {text-classification: {length: 8}}
    data: rows
    train: {steps: 1}
    evaluate: {resamples: 100, baselines: false}
"""


class Log(Silent):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An artefact, and what its run warned of."""
    folder = tmp_path_factory.mktemp("using")
    pyarrow.csv.write_csv(toys.text_table(), folder / "rows.csv")
    log = Log()
    result = verbs.run(Recipe.parse(RECIPE, folder=folder), store=Store(folder / "home"), reporter=log)
    return result.stages[0].artefact, log.warned


@pytest.fixture
def artefact(trained):
    return trained[0]


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    words = " ".join(toys.text_table()["text"].to_pylist()).split()
    return [" ".join(rng.choice(words, rng.integers(0, 12))) for _ in range(70)]


@pytest.fixture
def rows(texts, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("dianji.data.source.CHUNK_ROWS", 16)
    monkeypatch.setattr(opened, "WINDOW", 7)


def assert_same(found: Any, expected: Any) -> None:
    assert [row["text"] for row in found] == [row["text"] for row in expected]
    assert [row["row"] for row in found] == list(range(1, len(found) + 1))
    for one, other in zip(found, expected, strict=True):
        chances, others = (row["prediction"]["probabilities"] for row in (one, other))
        assert chances == pytest.approx(others, abs=1e-5)


def test_streamed_is_at_once(artefact, rows, texts, monkeypatch):
    found = list(verbs.predict_file(artefact, str(rows), everything=True))
    monkeypatch.setattr(opened, "WINDOW", 10_000)
    together = verbs.open(artefact).predict(texts)
    expected = [
        {"row": number, "text": text, "prediction": prediction.to_json(everything=True)}
        for number, (text, prediction) in enumerate(zip(texts, together, strict=True), start=1)
    ]
    assert_same(found, expected)


def test_standard_input_is_a_file(artefact, rows, monkeypatch):
    expected = list(verbs.predict_file(artefact, str(rows), everything=True))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(rows.read_bytes()))))
    assert_same(list(verbs.predict_file(artefact, "-", everything=True)), expected)


def test_what_is_cut_is_said(artefact, trained, rows, texts, tmp_path):
    lengths = np.array([len(text.split()) + 2 for text in texts])
    long = (lengths > 8).sum()
    told = f"{long} of 70 rows ({long / 70:.1%}) are longer than 8 tokens and are cut; the longest has {lengths.max()}"
    log = Log()
    list(verbs.predict_file(artefact, str(rows), reporter=log))
    assert log.warned == [f"{told}. The model has not seen the rest of these rows."]
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text("".join(json.dumps({"text": text, "label": "card"}) + "\n" for text in texts))
    log = Log()
    verbs.evaluate(artefact, str(labelled), reporter=log)
    assert log.warned == [f"{labelled}: {told}. The figures are of the truncated rows."]


def test_what_the_tokenizer_does_not_know_is_said(artefact, tmp_path):
    """Several chunks count together; standard words beside them lower the share."""
    strange = tmp_path / "strange.csv"
    strange.write_text("text,label\n" + "😀🎉😀,card\n" * 3 + "card,card\n" * 3, encoding="utf-8")
    log = Log()
    list(verbs.predict_file(artefact, str(strange), reporter=log))
    (told,) = (warning for warning in log.warned if "unknown to the tokenizer" in warning)
    assert "3 rows hold nothing else" in told
    measured = Log()
    verbs.evaluate(artefact, str(strange), reporter=measured)
    assert told in measured.warned
    (tmp_path / "plain.csv").write_text("text\ncard\n", encoding="utf-8")
    plain = Log()
    list(verbs.predict_file(artefact, str(tmp_path / "plain.csv"), reporter=plain))
    assert not any("unknown" in warning for warning in plain.warned)


def test_a_run_says_it_before_it_learns_and_keeps_it(trained):
    artefact, warned = trained
    assert any("are longer than 8 tokens and are cut" in warning for warning in warned)
    kept = json.loads((artefact / "evidence" / "data.json").read_text())["cut"]
    assert kept["train"]["length"] == 8
    assert kept["train"]["longest"] > 8


def test_a_fault_is_told_before_anything_is_predicted(artefact, rows, tmp_path, monkeypatch, capsys):
    rows.write_text(rows.read_text() + "nonsense\n")
    with pytest.raises(DataError, match="line 71: not JSON"):
        next(verbs.predict_file(artefact, str(rows)))
    out = tmp_path / "out.jsonl"
    assert invoke(["predict", str(artefact), str(rows), "--out", str(out)]) != 0
    assert "line 71: not JSON" in capsys.readouterr().err
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == [rows.name]


def test_a_pipe_is_predicted_up_to_its_fault(artefact, rows, tmp_path, monkeypatch, capsys):
    broken = rows.read_bytes() + b"nonsense\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(broken))))
    assert invoke(["predict", str(artefact), "-", "--quiet"]) != 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 64, "four whole chunks"
    assert "standard input, line 71: not JSON" in err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(artefact, texts, tmp_path):
    code = (
        "import resource, sys; from dianji.cli import invoke\n"
        "assert invoke(['predict', *sys.argv[1:], '--quiet']) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    peaks = []
    for count in (10_000, 40_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                file.write(json.dumps({"text": f"{texts[number % len(texts)]} {number}", "padding": "x" * 1500}) + "\n")
        command = [sys.executable, "-c", code, str(artefact), str(path), "--out", str(tmp_path / "out.jsonl")]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert told.startswith(f"{count:,} predictions")
        peaks.append(int(told.split()[-1]))
    assert peaks[1] - peaks[0] < 20, f"peaks in MB: {peaks}; the larger file has {path.stat().st_size / 2**20:.0f}"
