"""``verify``, ``log``, ``diff``, ``gc`` and ``show --lineage``: words, documents, exit codes."""

import json
import shutil

import pytest

from dianji.cli import invoke
from dianji.store.steps import Store
from dianji.testing.tampering import KINDS
from tests.artefact.conftest import GOLDEN

ARTEFACT = str(GOLDEN / "artefact")


@pytest.fixture
def altered(tmp_path):
    folder = shutil.copytree(ARTEFACT, tmp_path / "altered")
    KINDS["file missing"](folder)
    (folder / "new\nname.txt").touch()
    return str(folder)


@pytest.fixture
def store():
    """The store of this test, with one finished and one interrupted step."""
    store = Store.default()
    for step in ("s1", "s2"):
        with store.step(step).locked():
            store.step(step).begin({"parent": "b"})
        parent = {"kind": "base", "name": "minilm", "digest": "b" * 32}
        data = {"rows": "d" * 64}
        store.ledger.append("begin", recipe="银行", stage="intent", step=step, data=data, parent=parent)
    store.ledger.append("done", recipe="银行", stage="intent", step="s1")
    store.step("s1").finish({"metrics": {}})
    return store


def documents(capsys, *arguments, code=0):
    assert invoke([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_clean_artefact_is_told_and_exits_with_0(capsys):
    assert invoke(["verify", ARTEFACT]) == 0
    out = capsys.readouterr().out
    assert "probe     passed" in out
    assert "It is the evaluated artefact, as far as the folder shows." in out
    assert documents(capsys, "verify", ARTEFACT)["ok"] is True


def test_everything_wrong_is_listed_on_lines_of_its_own_and_exits_with_1(altered, capsys):
    assert invoke(["verify", altered]) == 1
    out = capsys.readouterr().out
    assert "2 things are wrong:" in out
    assert "  files: evidence/cost.json: missing; the manifest names it\n" in out
    assert "  files: new name.txt: is not part of the artefact" in out
    assert "Restore the folder, or run its recipe again." in out
    document = documents(capsys, "verify", altered, code=1)
    assert document["ok"] is False
    assert [check["state"] for check in document["checks"]][-1] == "not made"


def test_every_prediction_can_be_compared(capsys):
    data = str(GOLDEN / "questions.csv")
    assert invoke(["verify", ARTEFACT, "--data", data, "--quiet"]) == 0
    assert "rows are predicted as recorded (largest difference" in capsys.readouterr().out
    assert [split["different"] for split in documents(capsys, "verify", ARTEFACT, "--data", data)["predictions"]] == [
        0,
        0,
    ]
    assert documents(capsys, "verify", ARTEFACT, "--data", "nothing.csv", code=2)["error"]["kind"] == "DataError"


def test_the_ledger_needs_no_artefact(store, capsys):
    assert invoke(["verify", "--ledger"]) == 0
    assert "3 entries" in capsys.readouterr().out
    store.ledger.path.write_bytes(store.ledger.path.read_bytes().replace("银行".encode(), b"bank", 1))
    assert invoke(["verify", "--ledger"]) == 1
    assert "line 1 was edited" in capsys.readouterr().out
    assert documents(capsys, "verify", "--ledger", code=1)["line"] == 1
    assert documents(capsys, "verify", ARTEFACT, "--ledger", code=1)["ledger"]["ok"] is False


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--data", "x.csv"], ["gc", "--yes", "--dry-run"]])
def test_what_makes_no_sense_is_refused(arguments, capsys):
    assert invoke(arguments) == 2
    assert "Try: dianji" in capsys.readouterr().err


def test_log(store, capsys):
    assert invoke(["log"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["began", "recipe", "stage", "step", "on", "from", "state", "score"]
    assert [("s1" in row, "base minilm (bbbbbbbbbbbb)" in row, row.split()[-1]) for row in rows] == [
        (True, True, "done"),
        (False, True, "interrupted"),
    ]
    assert [run["step"] for run in documents(capsys, "log", "--last", "1")["runs"]] == ["s2"]


def test_an_empty_log_says_where_it_looked(capsys):
    assert invoke(["log"]) == 0
    assert "DIANJI_HOME" in capsys.readouterr().out


def test_lineage(capsys):
    assert invoke(["show", ARTEFACT, "--lineage"]) == 0
    _, *links = capsys.readouterr().out.splitlines()
    assert [link.split("(")[0] for link in links] == [
        "└─ stage intent ",
        "   └─ stage domain ",
        "      └─ base new transformer ",
    ]
    assert [link["name"] for link in documents(capsys, "show", ARTEFACT, "--lineage")["lineage"]][
        -1
    ] == "new transformer"


def test_diff(capsys):
    assert invoke(["diff", ARTEFACT, ARTEFACT]) == 0
    out = capsys.readouterr().out
    assert "recipe: the same" in out
    assert "+0.0000" in out
    assert documents(capsys, "diff", ARTEFACT, ARTEFACT)["recipe"] == []


def test_gc_only_lists_where_nobody_can_be_asked(store, capsys):
    for arguments in (["gc"], ["gc", "--dry-run"]):
        assert invoke(arguments) == 0
        out = capsys.readouterr().out
        assert "interrupted step" in out
        assert "nothing was deleted" in out
    document = documents(capsys, "gc")
    assert document["deleted"] is False
    assert [item["kind"] for item in document["items"]] == ["interrupted step"]
    assert store.step("s2").state == "interrupted"


@pytest.mark.parametrize(("said", "state"), [(True, "to do"), (False, "interrupted")])
def test_gc_asks_first(store, capsys, monkeypatch, said, state):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: said)
    assert invoke(["gc"]) == 0
    assert store.step("s2").state == state


def test_gc_deletes_with_yes_and_finished_steps_when_asked(store, capsys):
    assert documents(capsys, "gc", "--yes")["deleted"] is True
    assert (store.step("s1").state, store.step("s2").state) == ("done", "to do")
    assert invoke(["gc", "--yes", "--finished"]) == 0
    assert "freed in" in capsys.readouterr().out
    assert store.steps() == []
