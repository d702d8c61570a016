"""A model that learnt to answer: trained, opened, asked, packed as unpacked."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

import dianji
from dianji.cli import invoke
from dianji.errors import CapabilityError, DataError

ROWS = [(f"where is {thing} {number}", f"in room {number}") for thing in ("card", "cash") for number in range(12)]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("chat")
    lines = [json.dumps({"instruction": asked, "output": said}) for asked, said in ROWS]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    recipe = {
        "name": "rooms",
        "seed": 0,
        "base": {"new": "transformer", "layers": 2, "width": 32, "length": 64, "tokenizer": "bpe", "vocabulary": 400},
        "data": {
            "rows": {
                "path": str(folder / "rows.jsonl"),
                "columns": {"messages": ["instruction", "output"]},
                "split": {"validation": 0.2, "test": 0.2},
            }
        },
        "stages": {
            "chat": {
                "task": {"instruction-tuning": {"packing": True, "new_tokens": 12}},
                "data": "rows",
                "train": {"steps": 120, "batch_size": 8, "learning_rate": 5e-3},
                "evaluate": {"resamples": 100},
            }
        },
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    result = dianji.run(dianji.Recipe.load(folder / "recipe.yaml"))
    return result.stages[-1].artefact


@pytest.fixture(scope="module")
def model(artefact):
    return dianji.open(artefact)


def test_it_answers_as_it_was_taught(model):
    answer = model.chat("where is card 3")
    assert answer.startswith("in room")
    asked = [{"role": "user", "content": "where is card 3"}]
    assert "".join(model.chat(asked, stream=True)) == answer
    assert model.predict(["where is card 3"])[0].generated == answer
    assert model.predict([asked])[0].generated == answer
    later = [*asked, {"role": "assistant", "content": answer}, {"role": "user", "content": "where is cash 4"}]
    assert isinstance(model.chat(later), str)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "found no message"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "found 'assistant'"),
        ([{"role": "usr", "content": "a"}], "unknown role 'usr'"),
    ],
)
def test_what_cannot_be_answered(model, messages, told):
    with pytest.raises(DataError, match=told):
        model.chat(messages)


def test_on_the_command_line(artefact, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("where is card 3\n/reset\nwhere is cash 5\n"))
    assert invoke(["chat", str(artefact)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("in room") for line in lines)
    assert invoke(["report", str(artefact), "--out", str(artefact.parent / "report.html")]) == 0
    page = (artefact.parent / "report.html").read_text(encoding="utf-8")
    assert "What the model writes" in page
    assert "By the place in the conversation" in page


def test_a_model_that_holds_no_conversations_says_so(tmp_path):
    rows = "\n".join(f"{asked},{said.split()[0]}{number % 2}" for number, (asked, said) in enumerate(ROWS))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    base: Any = {"new": "transformer", "layers": 1, "width": 16}
    made = dianji.finetune(base, tmp_path / "rows.csv", task="text-classification", text="text", label="label")
    with pytest.raises(CapabilityError, match=r"text-classification holds no conversations.*instruction-tuning"):
        made.chat("hello")
