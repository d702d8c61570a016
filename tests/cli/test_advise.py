"""What `dianji advise` prints and writes, over a verb that only pretends."""

import json
from pathlib import Path

import pytest

from dianji import verbs
from dianji.advice import Advice, Forecast, Knowledge, Machine, Option
from dianji.cli import invoke
from dianji.messages import Message
from dianji.spec.sections import Recipe


def recipe(adapt: str) -> dict[str, object]:
    stage = {"task": "text-classification", "data": "rows", "adapt": adapt}
    return {
        "name": "q",
        "seed": 0,
        "base": "minilm",
        "data": {"rows": {"path": "q.csv"}},
        "stages": {"classify": stage},
    }


TOO_SLOW = Message("advice.too-slow", {"needed": 9.0, "minutes": 2.0})


def option(adapt: str, obstacle: Message | None = None) -> Option:
    forecast = Forecast(130.0, {"classify": 100.0}, 250.0, 1500.0, 400, 22_000_000, 29_645)
    return Option(f"minilm, {adapt}", "minilm", adapt, recipe(adapt), (Message(f"tuning.{adapt}"),), forecast, obstacle)


def advice(*options: Option) -> Advice:
    facts = {"kind": "text", "labels": "3, 40 rows each on average"}
    machine = Machine("cpu, bf16, 2 threads", 20.0)
    known = {"minilm": Knowledge(0.8, 0.7, 100)}
    return Advice(
        "q.csv",
        120,
        facts,
        machine,
        options,
        Message("advice.rule"),
        known,
        (Message("advice.left-out", {"candidate": "other", "reason": "it is damaged"}),),
    )


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch):
    """Have the verb give this advice."""

    def told(found: Advice) -> None:
        monkeypatch.setattr(verbs, "advise", lambda *arguments, **named: found)

    return told


def test_the_first_is_written_and_all_are_shown(say, tmp_path: Path, capsys):
    out = tmp_path / "recipe.yaml"
    say(advice(option("full"), option("frozen", TOO_SLOW)))
    assert invoke(["advise", "q.csv", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    for words in (
        "1. minilm, full",
        "all weights learn",
        "cannot be chosen: takes 9 minutes",
        "1:40",
        "2:10",
        "1,500 MB",
        "The rule: A pre-trained base",
    ):
        assert words in shown
    assert "Note: 'other' was left out" in shown
    assert f"Next: dianji run {out}" in shown
    assert str(Recipe.load(out).stages["classify"].adapt) == "full"
    head = out.read_text(encoding="utf-8").splitlines()[:3]
    assert head[0] == "# Advised for q.csv on cpu, bf16, 2 threads: minilm, full."
    assert head[2] == "#   about 2:10 and 1,500 MB here"


def test_a_comparison_of_those_that_fit(say, tmp_path: Path):
    out = tmp_path / "recipe.yaml"
    say(advice(option("full"), option("lora"), option("frozen", TOO_SLOW)))
    assert invoke(["advise", "q.csv", "--out", str(out), "--compare", "--json"]) == 0
    compare = Recipe.load(out).compare
    assert compare is not None
    assert [variant.name for variant in compare.variants] == ["minilm, full", "minilm, lora"]


def test_a_single_one_that_fits_is_compared_with_nothing(say, tmp_path: Path):
    out = tmp_path / "recipe.yaml"
    say(advice(option("full"), option("frozen", TOO_SLOW)))
    assert invoke(["advise", "q.csv", "--out", str(out), "--compare", "--json"]) == 0
    assert Recipe.load(out).compare is None


def test_nothing_is_written_where_nothing_fits(say, tmp_path: Path, capsys):
    out = tmp_path / "recipe.yaml"
    say(advice(option("full", TOO_SLOW)))
    assert invoke(["advise", "q.csv", "--out", str(out)]) == 1
    assert not out.exists()
    assert "No candidate fits" in capsys.readouterr().out


def test_one_document(say, tmp_path: Path, capsys):
    say(advice(option("full")))
    assert invoke(["advise", "q.csv", "--out", str(tmp_path / "r.yaml"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["chosen"] == "minilm, full"
    assert document["knowledge"]["minilm"]["helps"] is True
    assert document["options"][0]["reasons"] == [{"key": "tuning.full", "arguments": {}, "text": "all weights learn"}]
    assert document["recipe"] == str(tmp_path / "r.yaml")


def test_a_recipe_that_is_there_is_kept(say, tmp_path: Path, capsys):
    out = tmp_path / "recipe.yaml"
    out.write_text("mine", encoding="utf-8")
    say(advice(option("full")))
    assert invoke(["advise", "q.csv", "--out", str(out)]) == 2
    assert out.read_text(encoding="utf-8") == "mine"
    assert "--force" in capsys.readouterr().err
