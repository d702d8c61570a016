"""One of several processes: only ``dianji run`` may be started so, and only process 0 answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dianji import cli
from dianji.cli import run as command
from dianji.cli.answer import Answer
from dianji.launch import TOLD


@pytest.fixture
def several(monkeypatch):
    """Sets the variables of a process of that rank."""

    def start(rank):
        for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("RANK", str(rank))

    return start


@pytest.mark.parametrize("arguments", [["compare", "recipe.yaml"], ["check", "recipe.yaml"], ["list"]])
def test_every_other_verb_works_in_one_process(several, capsys, arguments):
    several(0)
    assert cli.invoke(arguments) == 2
    assert f"dianji {arguments[0]} works in one process, and 2 were started" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "expected"), [(0, "answered"), (1, "")])
def test_process_0_answers(several, monkeypatch, capsys, rank, expected):
    several(rank)
    monkeypatch.setattr(cli, "_command", lambda arguments: Answer(None, lambda: print("answered")))
    assert cli.invoke(["run", "recipe.yaml"]) == 0
    assert capsys.readouterr().out.strip() == expected


@pytest.mark.parametrize(("notes", "expected"), [([], "Interrupted. lost"), ([TOLD], "")])
def test_what_process_0_tells_is_told_once(several, monkeypatch, capsys, notes, expected):
    several(1)

    def fail(arguments):
        error = KeyboardInterrupt("lost")
        for note in notes:
            error.add_note(note)
        raise error

    monkeypatch.setattr(cli, "_command", fail)
    assert cli.invoke(["run", "recipe.yaml", "--json"]) == 130
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.strip() == expected


def test_an_interruption_keeps_its_notes(monkeypatch):
    """What ``dianji run`` adds to it must not hide that process 0 has told it."""

    def interrupted(*_, **__):
        error = KeyboardInterrupt("stage a is saved")
        error.add_note(TOLD)
        raise error

    monkeypatch.setattr("dianji.spec.sections.Recipe.load", lambda path: None)
    monkeypatch.setattr("dianji.verbs.run", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"stage a is saved\. Run the same command again to go on\.") as caught:
        command.run(Path("recipe.yaml"), quiet=True)
    assert caught.value.__notes__ == [TOLD]
