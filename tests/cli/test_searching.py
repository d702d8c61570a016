"""``dianji index`` and ``dianji search``: tables for people, one document for machines, errors with exit code 2."""

from __future__ import annotations

import json

import pytest

from dianji.cli import invoke
from tests.retrieval.conftest import TEXTS, prove_here, write_documents

__all__ = ["prove_here"]

pytestmark = pytest.mark.usefixtures("prove_here")


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_documents(tmp_path / "documents.csv", TEXTS, [f"d{number}" for number in range(len(TEXTS))])
    return "index"


def documents(capsys, *arguments, code=0):
    capsys.readouterr()
    assert invoke([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_an_index_is_made_searched_shown_and_verified(index, capsys):
    made = documents(capsys, "index", "documents.csv", "--out", index)
    assert (made["documents"], made["model"], made["ways"], made["reused"]) == (24, None, ["bm25"], False)
    found = documents(capsys, "search", index, "refund", "cash", "--k", "2")
    assert [len(of["hits"]) for of in found["queries"]] == [2, 2]
    assert found["queries"][0]["hits"][0].keys() == {"rank", "score", "id", "source", "start", "stop", "text"}
    assert documents(capsys, "show", index)["documents"]["count"] == 24
    assert documents(capsys, "verify", index, "--data", "documents.csv")["ok"]


def test_words_for_people(index, capsys, tmp_path):
    assert invoke(["index", "documents.csv", "--out", index, "--quiet"]) == 0
    assert "24 documents" in capsys.readouterr().out
    assert invoke(["index", "documents.csv", "--out", index]) == 0
    assert "is there already" in capsys.readouterr().out
    assert invoke(["search", index, "refund", "nothingness"]) == 0
    told = capsys.readouterr().out
    assert "(documents.csv, line " in told
    assert "nothing found" in told
    (tmp_path / "queries.csv").write_text("query,relevant\nwhere is my refund,d2\n")
    assert invoke(["search", index, "--queries", "queries.csv"]) == 0
    assert "recall-at-10" in capsys.readouterr().out
    (tmp_path / "plain.csv").write_text("query\nrefund\n")
    assert invoke(["search", index, "--queries", "plain.csv", "--k", "1"]) == 0
    assert "documents.csv, line" in capsys.readouterr().out
    assert invoke(["show", index]) == 0
    assert "passages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["search", "index"], "give either TEXT, once or several times, or --queries FILE"),
        (["search", "index", "a", "--queries", "b"], "give either TEXT"),
        (["search", "index", "a", "--column", "query=b"], "--column and --encoding are of --queries"),
        (["search", "nowhere", "a"], "not an index: expected a folder that `dianji index` made, found nothing"),
        (["index", "documents.csv", "--out", "x", "--column", "label=text"], "documents have no such column"),
        (["index", "nowhere.csv", "--out", "x"], "nowhere.csv"),
        (["predict", "made", "--text", "a"], "an index of documents, not a model"),
    ],
)
def test_errors(arguments, told, index, capsys):
    assert invoke(["index", "documents.csv", "--out", "made", "--quiet"]) == 0
    capsys.readouterr()
    assert invoke(arguments) == 2
    assert told in capsys.readouterr().err
