"""The border: exit codes, one JSON document, errors in words."""

import json
import sys

import pytest

from dianji import __version__, verbs
from dianji.cli import invoke
from dianji.errors import DataError, RecipeError, StoreError, TrainingError


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    """Run a command: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = invoke(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Make ``dianji show`` raise."""

    def fail(error: BaseException) -> None:
        def show(_):
            print("a library's chatter")
            raise error

        monkeypatch.setattr(verbs, "show", show)

    return fail


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (RecipeError("one fault", "another"), 2, "RecipeError"),
        (DataError("row 3 is empty"), 2, "DataError"),
        (TrainingError("the loss is nan"), 1, "TrainingError"),
        (StoreError("the disk is full"), 1, "StoreError"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (OSError(28, "No space left on device", "x"), 1, "OSError"),
        (MemoryError(), 1, "MemoryError"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError"),
    ],
)
def test_errors_are_words_and_codes(told, failing, error: BaseException, code: int, kind: str):
    failing(error)
    got, out, err = told("show", "x")
    assert got == code
    assert out == "a library's chatter\n"
    assert str(error) in err or "x: No space left" in err
    assert "Traceback" not in err
    got, out, err = told("show", "x", "--json")
    assert got == code
    assert json.loads(out)["error"]["kind"] == kind
    assert json.loads(out)["error"]["message"] in err
    assert "chatter" in err


def test_unexpected_errors_say_what_to_do(told, failing):
    failing(ZeroDivisionError("division by zero"))
    assert "This is a fault in Dianji. Run again with --debug" in told("show", "x")[2]


def test_debugging_shows_the_traceback(told, failing, monkeypatch: pytest.MonkeyPatch):
    failing(DataError("row 3 is empty"))
    assert "Traceback" in told("show", "x", "--debug")[2]
    assert "Traceback" in told("--debug", "show", "x")[2]
    monkeypatch.setenv("DIANJI_DEBUG", "1")
    code, _, err = told("show", "x")
    assert (code, "Traceback" in err) == (2, True)
    monkeypatch.setenv("DIANJI_DEBUG", "0")
    assert "Traceback" not in told("show", "x")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rn"], "No such command 'rn'. Did you mean 'run'?"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "a.yaml", "--stge", "x"], "--stge"),
        (["predict", "x"], "give either FILE (- for standard input), or --text or --row"),
        (["predict", "x", "f.csv", "--text", "a"], "give either FILE (- for standard input), or --text or --row"),
        (["predict", "x", "f.csv", "--column", "text"], "--column text: expected NAME=COLUMN"),
        (["predict", "x", "f.csv", "--out", "p.xlsx"], "those of tags also as .conll, found"),
        (["list", "task"], "there is no kind 'task'. Did you mean 'tasks'?"),
        (["run", "no-such.yaml"], "no-such.yaml: there is no such file"),
        (["check", "no-such.yaml"], "no-such.yaml: there is no such file"),
    ],
)
def test_wrong_input_is_exit_code_2(told, arguments: list[str], message: str):
    code, out, err = told(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    code, out, _ = told(*arguments, "--json")
    assert code == 2
    assert message in json.loads(out)["error"]["message"]


def test_version_and_help(told):
    assert told("--version") == (0, f"dianji {__version__}\n", "")
    code, out, _ = told("--help")
    assert code == 0
    for verb in ("init", "data", "check", "run", "predict", "evaluate", "show", "list", "schema"):
        assert f"  {verb}" in out
    code, _, err = told()
    assert code == 2
    assert "Usage: dianji" in err


def test_output_is_utf8_whatever_the_locale_says(failing):
    import subprocess

    code = "from dianji.cli.answer import *; use_utf8(sys.stdout); print_json({'问': '卡\\ud800'})"
    environment = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout.decode("utf-8")) == {"问": "卡\ud800"}
