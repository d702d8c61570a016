"""``dianji data`` on a toy: what people read, what machines read."""

import json
from typing import Any

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.verbs.surveying import Survey
from tests.data.helpers import write_csv

ROWS = [
    ("where is the card that I ordered last week", "card"),
    ("where is the card that I ordered last weeks", "loan"),
    ("a loan of ten thousand euros for jane@example.com", "loan"),
    ("close my account for good and write to me", "card"),
]


@pytest.fixture
def path(tmp_path):
    return write_csv(tmp_path / "a.csv", ROWS)


def test_words(path, capsys):
    assert invoke(["data", path, "--column", "text=text", "--column", "label=label"]) == 0
    out = capsys.readouterr().out
    assert "4, not divided" in out
    assert "near-duplicates: 1 input beyond the first of 1 group" in out
    assert "a.csv, line 2  a.csv, line 3" in out
    assert "e-mail     1  a.csv, line 4 (j**************m)" in out
    assert "jane@example.com" not in out
    assert "not looked for; name a base" in out
    assert "warning: 1 pair of nearly equal rows with different labels" in out


def test_the_document(path, capsys):
    assert invoke(["data", path, "--column", "text=text", "--column", "label=label", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"data", "columns", "report", "quality", "label_errors", "warnings"}
    assert document["quality"]["near_duplicates"]["conflicts"]["count"] == 1
    assert document["label_errors"] == {}


def test_label_errors_are_shown(path, monkeypatch, capsys):
    found = verbs.survey(path, columns={"text": "text", "label": "label"})
    entry = {
        "row": "a.csv, line 3", "split": "train", "label": "loan", "probability": 0.1, "suggested": "card",
        "suggested_probability": 0.85,
    }  # fmt: skip
    wrong = {"base": "minilm", "count": 1, "looked_at": {"rows": 4, "of": 4}, "rows": [entry]}
    asked: dict[str, Any] = {}

    def survey(path, *, columns, base, reporter):
        asked.update(path=path, columns=columns, base=base)
        return Survey(found.data, found.columns, found.report, found.quality, wrong, found.warnings)

    monkeypatch.setattr(verbs, "survey", survey)
    assert invoke(["data", path, "--base", "minilm"]) == 0
    assert asked == {"path": path, "columns": {}, "base": "minilm"}
    out = capsys.readouterr().out
    assert "likely label errors: 1 of 4 rows (base minilm)" in out
    assert "a.csv, line 3  loan (0.10)  card (0.85)" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--base", "nobody"], "there is no base 'nobody'"),
        (["--column", "text"], "expected NAME=COLUMN"),
    ],
)
def test_bad_input(path, capsys, arguments, told):
    assert invoke(["data", path, *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_base_needs_labels(tmp_path, capsys):
    path = write_csv(tmp_path / "a.csv", [(text, "") for text, _ in ROWS])
    assert invoke(["data", path, "--column", "text=text", "--base", "minilm"]) == 2
    assert "likely label errors need one label per row" in capsys.readouterr().err
