"""``dianji chat``: a line is a message; the conversation goes on until it is reset; Ctrl-C loses nothing."""

import io
import json
from typing import Any

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.errors import DataError


class Parrot:
    """Answers with what it was asked, in two pieces; the number of messages goes first."""

    def __init__(self, interrupt: str = "") -> None:
        self.heard: list[list[dict[str, Any]]] = []
        self._interrupt = interrupt

    def chat(self, messages, *, stream):
        assert stream
        self.heard.append(list(messages))
        yield f"{len(messages)} "
        said = messages[-1]["content"]
        if said == self._interrupt:
            raise KeyboardInterrupt
        if said == "wrong":
            raise DataError("the conversation cannot be answered")
        yield said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def talk(monkeypatch):
    def said(text: str, *options: str, parrot: Parrot | None = None, terminal: bool = False):
        model = parrot or Parrot()
        monkeypatch.setattr(verbs, "open", lambda folder, *, precision: model)
        stream = Terminal(text) if terminal else io.StringIO(text)
        monkeypatch.setattr("sys.stdin", stream)
        monkeypatch.setattr("builtins.input", lambda prompt: _line(stream))
        return invoke(["chat", "a", *options]), model

    return said


def _line(stream: io.StringIO) -> str:
    line = stream.readline()
    if not line:
        raise EOFError
    if line.strip() == "^C":
        raise KeyboardInterrupt
    return line.rstrip("\n")


def test_lines_are_messages_of_one_conversation(talk, capsys):
    code, model = talk("hello\n\n 我的卡在哪里？ \n//slash")
    assert code == 0
    assert capsys.readouterr().out == "1 hello\n3 我的卡在哪里？\n5 /slash\n"
    assert [one["role"] for one in model.heard[-1]] == ["user", "assistant"] * 2 + ["user"]
    assert model.heard[-1][1]["content"] == "1 hello"


def test_reset_forgets_all_but_the_system(talk, capsys):
    code, model = talk("a\n/reset\nb\n/exit\nc\n", "--system", "Be kind.")
    assert code == 0
    assert capsys.readouterr().out == "2 a\n2 b\n"
    assert model.heard[1] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "b"}]


def test_json_holds_the_conversation(talk, capsys):
    assert talk("a\n", "--json")[0] == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "artefact": "a",
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "1 a"}],
    }


def test_a_command_that_does_not_exist(talk, capsys):
    assert talk("/rest\na\n")[0] == 2
    assert "unknown command /rest; expected one of /reset, /exit, /help" in capsys.readouterr().err
    code, model = talk("/rest\n/help\na\n", terminal=True)
    assert (code, len(model.heard)) == (0, 1)


def test_a_message_that_cannot_be_answered(talk, capsys):
    assert talk("wrong\n")[0] == 2
    code, model = talk("wrong\na\n", terminal=True)
    assert code == 0
    assert "cannot be answered" in capsys.readouterr().err
    assert model.heard[-1] == [{"role": "user", "content": "a"}], "the message is not part of the conversation"


def test_ctrl_c_stops_an_answer_and_keeps_what_there_is(talk, capsys):
    code, model = talk("long\na\n", parrot=Parrot("long"), terminal=True)
    assert code == 0
    assert [one["content"] for one in model.heard[-1]] == ["long", "1 ", "a"]
    assert "(stopped)" in capsys.readouterr().err
    assert talk("long\na\n", parrot=Parrot("long"))[0] == 130, "nobody is there to go on"


def test_ctrl_c_at_the_prompt_ends_the_conversation(talk):
    code, model = talk("a\n^C\nb\n", terminal=True)
    assert (code, len(model.heard)) == (0, 1)
