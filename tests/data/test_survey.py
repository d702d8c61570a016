from __future__ import annotations

import pytest

from dianji.data.survey import survey
from dianji.errors import DataError, RecipeError
from tests.data.helpers import write_csv, write_jsonl

RECORDS = [
    {
        "query": f"question number {number} about the {kind}, please answer soon",
        "intent": kind,
        "mail": f"user{number}@example.com",
    }
    for number in range(6)
    for kind in ("card", "loan")
]


def test_columns_are_guessed_and_nothing_is_divided(tmp_path):
    found = survey(write_jsonl(tmp_path / "a.jsonl", RECORDS), {})
    assert found.columns == {"text": "query", "label": "intent"}
    assert found.modality == "text"
    assert found.report["rows"] == {"train": 12}
    assert found.report["labels"]["train"] == {"card": 6, "loan": 6}
    assert found.quality["near_duplicates"]["groups"] == 2
    assert found.quality["near_duplicates"]["leakage"]["test"]["count"] == 0


def test_words_and_their_tags_are_found(tmp_path):
    rows = [{"words": ["Ada", "lived", str(number)], "ner": ["B-PER", "O", "O"]} for number in range(12)]
    found = survey(write_jsonl(tmp_path / "a.jsonl", rows), {})
    assert found.columns == {"tokens": "words", "tags": "ner"}
    assert found.report["labels"]["train"] == {"PER": 12}


def test_personal_data_is_looked_for_in_every_column(tmp_path):
    found = survey(write_jsonl(tmp_path / "a.jsonl", RECORDS), {})
    personal = found.quality["personal_data"]
    assert personal["query"] == {}
    assert personal["mail"]["e-mail"]["count"] == 12
    assert personal["mail"]["e-mail"]["rows"][0]["row"] == "a.jsonl, line 1"


def test_splits_that_are_given_stay(tmp_path):
    rows = [(f"a text about number {number} and nothing more than that", "ab"[number % 2]) for number in range(8)]
    write_csv(tmp_path / "train.csv", rows[:5])
    write_csv(tmp_path / "test.csv", [*rows[5:], ("something else", "c")])
    found = survey(str(tmp_path), {"text": "text", "label": "label"})
    assert found.report["rows"] == {"train": 5, "test": 4}
    assert found.quality["near_duplicates"]["leakage"]["test"]["count"] == 3
    assert any("3 inputs of test nearly repeat one of training" in warning for warning in found.warnings)
    assert any("label 'c' is not among" in warning for warning in found.warnings)


def test_given_columns_win(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", RECORDS)
    assert survey(path, {"text": "mail"}).columns == {"text": "mail", "label": "intent"}
    with pytest.raises(RecipeError, match=r"--column txt: expected a column kind\. Did you mean 'text'"):
        survey(path, {"txt": "mail"})


def test_neither_texts_nor_images(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("1", "2"), ("3", "4"), ("5", "6")], header="a,b")
    with pytest.raises(DataError, match="expected a column of texts or images, found a"):
        survey(path, {})
