"""Words with tags and texts with spans: from a file to an artefact that predicts, is verified and told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dianji
from dianji import verbs
from dianji.cli import invoke
from dianji.data.findings import Findings
from dianji.data.source import Place
from dianji.data.sources.conll import Conll, to_conll
from dianji.errors import DataError
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.testing import toys

BASE = {"new": "transformer", "layers": 1, "width": 16, "heads": 2, "length": 32, "vocabulary": 200}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``words.conll`` and ``texts.jsonl``, three times the toy rows each, with rows that hold two spans."""
    folder = tmp_path_factory.mktemp("tagging")
    words, texts = toys.tokens_table().to_pylist() * 3, toys.spans_table().to_pylist() * 3
    both = {"tokens": ["card", "and", "card"], "tags": ["B-card", "O", "B-card"]}
    rows = [*((row["tokens"], row["tags"]) for row in words), *[(both["tokens"], both["tags"])] * 6]
    (folder / "words.conll").write_text("".join(to_conll(rows)), encoding="utf-8")
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    return folder


def recipe(path: Path, task: Any) -> Recipe:
    stage = {"task": task, "data": "rows", "train": {"epochs": 1}, "evaluate": {"resamples": 100}}
    return Recipe.parse(
        {"name": "toy", "seed": 1, "base": BASE, "data": {"rows": {"path": str(path)}}, "stages": {"tag": stage}}
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def of_words(files: Path, store: Store) -> Path:
    """The artefact of a plain head."""
    return verbs.run(recipe(files / "words.conll", "sequence-tagging"), store=store).stages[0].artefact


@pytest.fixture(scope="module")
def of_texts(files: Path, store: Store) -> Path:
    """The artefact of a CRF."""
    return verbs.run(recipe(files / "texts.jsonl", {"sequence-tagging": {"crf": True}}), store=store).stages[0].artefact


def test_what_was_learnt_from_words_reads_texts_too(of_words: Path) -> None:
    model = dianji.open(of_words)
    by_list: Any
    by_text: Any
    (by_list,) = model.predict([["where", "is", "my", "card"]])
    (by_text,) = model.predict(["where is my card"])
    (by_mapping,) = model.predict([{"text": "where is my card"}])
    assert by_text == by_mapping
    assert (by_list.unit, by_text.unit) == ("words", "characters")
    assert by_list.tags == by_text.tags
    with pytest.raises(DataError, match="row 1"):
        model.predict([3])


def test_figures_stand_beside_those_of_the_baselines(of_words: Path) -> None:
    metrics = json.loads((of_words / "evidence" / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["baselines"]) == {"majority-tag", "word-logistic-regression"}
    assert metrics["baselines"]["majority-tag"]["test"]["span-f1"]["value"] > 0.9
    assert set(metrics["classes"]["test"]["labels"]) == set(toys.LABELS)
    labels = json.loads((of_words / "evidence" / "data.json").read_text(encoding="utf-8"))["labels"]
    assert sum(of["card"] for of in labels.values()) == 3 * 8 + 2 * 6, "the report counts spans, not rows"


def test_the_card_promises_transformers_where_it_opens_the_head(of_words: Path, of_texts: Path) -> None:
    plain, crf = ((folder / "README.md").read_text(encoding="utf-8") for folder in (of_words, of_texts))
    assert "pipeline_tag: token-classification" in plain
    assert 'pipeline("token-classification"' in plain
    assert "pipeline_tag" not in crf
    assert "library_name: dianji" in crf
    assert "transformers import" not in crf


@pytest.mark.parametrize("which", ["of_words", "of_texts"])
def test_it_is_verified_and_told_of(which: str, store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    artefact: Path = request.getfixturevalue(which)
    assert verbs.verify(artefact, store=store).ok
    page = tmp_path / "report.md"
    assert invoke(["report", str(artefact), "--out", str(page)]) == 0
    told = page.read_text(encoding="utf-8")
    assert "Labels one by one" in told
    assert "Surest mistakes" in told


def test_files_are_predicted_and_written_back(of_words: Path, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "tagged.conll"
    assert invoke(["predict", str(of_words), str(files / "words.conll"), "--out", str(out), "--quiet"]) == 0
    given, found = (
        Conll().read(Place(str(path), path.name), "auto", Findings()) for path in (files / "words.conll", out)
    )
    assert found["tokens"].to_pylist() == given["tokens"].to_pylist()
    (first, *_) = verbs.predict_file(of_words, str(files / "texts.jsonl"))
    assert first["text"] == "where is my card"
    assert set(first["prediction"]) == {"spans", "unit"}


def test_other_models_write_no_conll(tmp_path: Path) -> None:
    from dianji.cli.rows import write_rows

    with pytest.raises(DataError, match="no tags of words"):
        write_rows([{"prediction": {"label": "x"}}], tmp_path / "p.conll")
    assert not (tmp_path / "p.conll").exists()


def test_check_finds_spans_that_cut_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": "Ada lived", "spans": [[1, 3, "PER"]]}, {"text": "Bob", "spans": [[0, 3, "PER"]]}] * 4
    path = tmp_path / "cut.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    written = tmp_path / "recipe.yaml"
    written.write_text(json.dumps(recipe(path, "sequence-tagging").to_json()), encoding="utf-8")
    assert invoke(["check", str(written)]) != 0
    said = capsys.readouterr().err
    assert said.count("does not begin and end with words") == 4
    assert "cut.jsonl, line 1: the span 1–3 'da' (PER)" in said


def test_evaluate_reads_either_kind_of_file(of_words: Path, files: Path) -> None:
    by_words = verbs.evaluate(of_words, str(files / "words.conll"))
    by_texts = verbs.evaluate(of_words, str(files / "texts.jsonl"))
    assert (by_words.rows, by_texts.rows) == (78, 72)
    assert by_words.metrics["token-accuracy"].value > 0
