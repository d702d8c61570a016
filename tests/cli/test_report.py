"""``dianji report`` on the command line."""

import json

from dianji.cli import invoke
from tests.report.toy import artefact, texts


def test_it_says_where_the_page_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    artefact(tmp_path / "model", texts(tmp_path / "questions.csv"))
    assert invoke(["report", "model", "--lang", "zh"]) == 0
    assert capsys.readouterr().out.startswith("desk-intent.html: 这是什么, 成绩, ")
    assert invoke(["report", "model", "--out", "page.md", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == "page.md"
    assert (tmp_path / "page.md").exists()


def test_a_language_that_is_not_spoken_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(["report", "model", "--lang", "fr"]) == 2
    assert "Known: en, zh." in capsys.readouterr().err
