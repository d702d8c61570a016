"""Paragraphs of XQuAD and CMRC 2018 are found by their questions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dianji import verbs
from dianji.retrieval.measured import Searched

pytestmark = pytest.mark.real

SETS = {"xquad": "xquad/xquad.en.json", "cmrc": "cmrc2018/squad-style-data/cmrc2018_trial.json"}


def written(source: Path, folder: Path, questions: int) -> tuple[Path, Path]:
    """Every distinct paragraph with an id; questions with the ids of their paragraphs."""
    ids: dict[str, str] = {}
    asked: list[tuple[str, str]] = []
    for article in json.loads(source.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            name = ids.setdefault(paragraph["context"], f"p{len(ids)}")
            asked += [(question["question"], name) for question in paragraph["qas"] if question["question"].strip()]
    tables = {"documents.csv": [("text", "id"), *ids.items()], "queries.csv": [("query", "relevant"), *asked]}
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows if name == "documents.csv" else rows[: questions + 1])
    return folder / "documents.csv", folder / "queries.csv"


@pytest.mark.parametrize(("name", "recall", "mrr"), [("xquad", 0.98, 0.93), ("cmrc", 0.98, 0.95)])
def test_bm25_finds_the_paragraph(name, recall, mrr, data_root, tmp_path):
    documents, queries = written(data_root / SETS[name], tmp_path, 5000)
    made = verbs.index(str(documents), tmp_path / "index")
    found = verbs.search_file(made.index, str(queries))
    assert isinstance(found, Searched)
    assert found.queries > 900
    assert found.metrics["recall-at-10"].value >= recall
    assert found.metrics["mrr"].value >= mrr


@pytest.mark.slow
def test_vectors_and_both_together_find_the_paragraph(data_root, tmp_path):
    documents, queries = written(data_root / SETS["xquad"], tmp_path, 200)
    made = verbs.index(str(documents), tmp_path / "index", model="minilm")
    assert made.passages > made.documents
    by = {way: verbs.search_file(made.index, str(queries), by=way) for way in ("vectors", "hybrid")}
    for found in by.values():
        assert isinstance(found, Searched)
        assert found.metrics["recall-at-10"].value >= 0.97
        assert found.metrics["mrr"].value >= 0.9
