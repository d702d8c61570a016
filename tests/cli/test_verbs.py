"""Each verb's words and documents, over verbs that only pretend."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dianji import verbs
from dianji.cli import invoke
from dianji.evaluate.metric import Estimate
from dianji.results import Cost, Evaluation, Plan, PlannedStage, RunResult, StageResult

RECIPE = """
name: bank
base: minilm
data: {rows: {path: rows.csv}}
stages:
  intent: {task: text-classification, data: rows}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "bank.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return str(path)


def metrics(value: float) -> dict[str, dict[str, Estimate]]:
    return {
        "test": {"log-loss": Estimate(0.4, 0.3, 0.5, 200), "accuracy": Estimate(value, value - 0.02, value + 0.02, 200)}
    }


def result(folder: Path) -> RunResult:
    stage = StageResult(
        name="intent",
        digest="d" * 32,
        artefact=folder / "my artefact",
        reused=False,
        metrics=metrics(0.94),
        cost=Cost(75.4, 412.3, 900.0, 1000, 100),
        primary="accuracy",
        baselines={"majority": {"test": {"accuracy": Estimate(0.1, 0.05, 0.15, 200)}}},
    )
    return RunResult("bank", "e" * 32, (stage,))


def test_run_prints_tables_and_what_to_try_next(recipe, tmp_path, monkeypatch, capsys):
    heard: dict[str, Any] = {}

    def run(loaded, *, stage, again, profile, reporter):
        heard.update(name=loaded.name, stage=stage, again=again, profile=profile)
        reporter.say("at work")
        return result(tmp_path)

    monkeypatch.setattr(verbs, "run", run)
    monkeypatch.chdir(tmp_path)
    assert invoke(["run", recipe, "--stage", "intent", "--again"]) == 0
    out, err = capsys.readouterr()
    assert heard == {"name": "bank", "stage": "intent", "again": True, "profile": False}
    assert err == "at work\n"
    assert out.splitlines() == [
        "",
        "intent",
        "  test (200 rows)   value    95 % interval  majority",
        "  accuracy         0.9400  0.9200 … 0.9600    0.1000",
        "  log-loss         0.4000  0.3000 … 0.5000",
        "  cost      1:15 of training, 412 samples/s, 900 MB at most, 100 of 1,000 parameters learnt",
        "  artefact  my artefact",
        "",
        "Try next:",
        "  dianji predict 'my artefact' --text \"…\"",
        "  dianji show 'my artefact'",
    ]


def test_a_profile_is_a_table_and_a_path(recipe, tmp_path, monkeypatch, capsys):
    profile = {
        "steps": 40,
        "seconds": {"forward": 1.5, "backward": 2.5, "other": 1.0},
        "trace": str(tmp_path / "trace.json"),
    }

    def run(loaded, *, profile, **options):
        assert profile is True
        found = result(tmp_path)
        return replace(found, stages=(replace(found.stages[0], profile=told),))

    told = profile
    monkeypatch.setattr(verbs, "run", run)
    monkeypatch.chdir(tmp_path)
    assert invoke(["run", recipe, "--profile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = next(number for number, line in enumerate(lines) if "where the time went" in line)
    assert lines[begin : begin + 6] == [
        "  where the time went (40 steps)  seconds  share",
        "  forward                            1.50  30.0%",
        "  backward                           2.50  50.0%",
        "  other                              1.00  20.0%",
        "  all                                5.00",
        "A trace of some steps, for https://ui.perfetto.dev: trace.json",
    ]
    assert invoke(["run", recipe, "--profile", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["profile"] == profile


@pytest.mark.parametrize("flag", ["--json", "--quiet"])
def test_no_progress_when_not_wanted(recipe, tmp_path, monkeypatch, capsys, flag):
    def run(loaded, *, stage, again, profile, reporter):
        reporter.say("at work")
        print("a library's chatter")
        return result(tmp_path)

    monkeypatch.setattr(verbs, "run", run)
    assert invoke(["run", recipe, flag]) == 0
    out, err = capsys.readouterr()
    assert "at work" not in out + err
    if flag == "--json":
        assert json.loads(out) == result(tmp_path).to_json()


def test_an_interrupted_run_says_how_to_go_on(recipe, monkeypatch, capsys):
    def run(loaded, *, stage, again, profile, reporter):
        raise KeyboardInterrupt("SIGINT: stage intent is saved at step 12")

    monkeypatch.setattr(verbs, "run", run)
    assert invoke(["run", recipe, "--json"]) == 130
    out, err = capsys.readouterr()
    told = "Interrupted. SIGINT: stage intent is saved at step 12. Run the same command again to go on."
    assert err == told + "\n"
    assert json.loads(out) == {"error": {"kind": "Interrupted", "message": told}}


def test_check_prints_the_plan(recipe, tmp_path, monkeypatch, capsys):
    stage = PlannedStage(
        "intent", "d" * 32, "to do", "base minilm", "text-classification", "full", "rows", {"train": 1200}, tmp_path,
        memory_mb=900, cache_mb=12.3, cut={"train": {"rows": 3, "of": 1200, "length": 256, "longest": 300}},
    )  # fmt: skip
    plan = Plan("bank", "e" * 32, (stage,), ("data rows: 3 rows twice",))
    monkeypatch.setattr(verbs, "check", lambda loaded: plan)
    assert invoke(["check", recipe]) == 0
    out = capsys.readouterr().out
    assert "intent  text-classification  base minilm  full        rows  train 1,200  to do" in out
    assert "intent will take about 900 MB of memory." in out
    assert "intent will store the frozen states of its rows: about 12.3 MB on disk." in out
    assert "warning: data rows: 3 rows twice" in out
    assert f"dianji run {recipe}" in out
    assert invoke(["check", recipe, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plan.to_json()


class Label:
    def __init__(self, label: str) -> None:
        self.label = label

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        short: dict[str, Any] = {"label": self.label, "probability": 0.75}
        return {**short, "probabilities": {self.label: 0.75}} if everything else short


class Model:
    def require_input(self, kind: str) -> None:
        assert kind == "text"

    def predict(self, rows):
        return [Label("card") for _ in rows]


def test_predict_texts(monkeypatch, capsys):
    monkeypatch.setattr(verbs, "open", lambda folder, *, precision: Model())
    assert invoke(["predict", "a", "--text", "where is\tmy card?", "--text", "我的卡在哪里？"]) == 0
    assert capsys.readouterr().out == "1\twhere is my card?\tcard\t0.7500\n2\t我的卡在哪里？\tcard\t0.7500\n"
    assert invoke(["predict", "a", "--text", "我的卡", "--everything", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "artefact": "a",
        "predictions": [
            {
                "row": 1,
                "text": "我的卡",
                "prediction": {"label": "card", "probability": 0.75, "probabilities": {"card": 0.75}},
            }
        ],
    }


def test_predict_rows_of_several_columns(monkeypatch, capsys):
    monkeypatch.setattr(verbs, "open", lambda folder, *, precision: Model())
    row = {"text": "a premise", "other": "一个假设"}
    assert invoke(["predict", "a", "--row", json.dumps(row), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["predictions"]
    assert told == {"row": 1, **row, "prediction": {"label": "card", "probability": 0.75}}


@pytest.mark.parametrize("row", ["[1]", "text=a", '"a"'])
def test_a_row_that_is_no_object_is_refused(row, monkeypatch, capsys):
    monkeypatch.setattr(verbs, "open", lambda folder, *, precision: Model())
    assert invoke(["predict", "a", "--row", row]) == 2
    assert "--row 1" in capsys.readouterr().err


def test_rows_and_texts_are_not_given_together(capsys):
    assert invoke(["predict", "a", "--row", "{}", "--text", "b"]) == 2
    assert "--row" in capsys.readouterr().err


@pytest.fixture
def predicting(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """``verbs.predict_file`` gives two rows, or fails after the first one."""
    heard: dict[str, Any] = {"fail": False}

    def predict_file(
        artefact, source, *, everything, columns, encoding, precision, reporter
    ) -> Iterator[dict[str, Any]]:
        heard.update(source=source, columns=columns, encoding=encoding)
        yield {"row": 1, "text": 'a,"b"\n卡', "prediction": Label("x").to_json(everything=everything)}
        if heard["fail"]:
            raise OSError(28, "No space left on device")
        yield {"row": 2, "text": "c", "prediction": Label("y").to_json(everything=everything)}

    monkeypatch.setattr(verbs, "predict_file", predict_file)
    return heard


def test_predict_writes_json_lines(predicting, tmp_path, capsys):
    out = tmp_path / "p.jsonl"
    assert invoke(["predict", "a", "-", "--out", str(out), "--column", "text=query", "--encoding", "gb18030"]) == 0
    assert predicting["source"] == "-"
    assert predicting["columns"] == {"text": "query"}
    assert predicting["encoding"] == "gb18030"
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["prediction"]["label"] for row in rows] == ["x", "y"]
    assert capsys.readouterr().out == f"2 predictions written to {out}\n"


def test_predict_writes_csv(predicting, tmp_path, capsys):
    import csv

    out = tmp_path / "p.csv"
    assert invoke(["predict", "a", "f.csv", "--out", str(out), "--everything", "--json"]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "row": "1", "text": "a,\"b\"\n卡", "label": "x", "probability": "0.75", "probabilities": '{"x": 0.75}',
    }  # fmt: skip
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "rows": 2}


def test_a_failed_prediction_leaves_the_old_file(predicting, tmp_path, capsys):
    out = tmp_path / "p.csv"
    out.write_text("old", encoding="utf-8")
    predicting["fail"] = True
    assert invoke(["predict", "a", "f.csv", "--out", str(out)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_evaluate(monkeypatch, capsys):
    found = Evaluation(Path("a"), "t.csv", 200, metrics(0.9)["test"], "accuracy")
    monkeypatch.setattr(verbs, "evaluate", lambda artefact, data, *, columns, encoding, reporter: found)
    assert invoke(["evaluate", "a", "t.csv"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a on 200 rows of t.csv"
    assert out[2].split() == ["accuracy", "0.9000", "0.8800", "…", "0.9200"]
    assert invoke(["evaluate", "a", "t.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found.to_json()


def test_show(monkeypatch, capsys):
    told = {
        "stage": "intent",
        "labels": ["card", "loan"],
        "parents": [{"kind": "base", "name": "minilm"}],
        "metrics": {"metrics": {"test": {"accuracy": Estimate(0.9, 0.8, 1.0, 200).to_json()}}},
        "cost": {"train_seconds": 12.5, "parameters": 1000},
        "files": {},
    }
    monkeypatch.setattr(verbs, "show", lambda artefact: told)
    assert invoke(["show", "a"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "stage: intent",
        "labels: card, loan",
        "parents: kind base, name minilm",
        "metrics",
        "  metrics.test.accuracy  0.9000  (0.8000 … 1.0000, n 200)",
        "cost",
        "  train_seconds  12.5",
        "  parameters     1,000",
    ]
    assert invoke(["show", "a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told


@pytest.mark.parametrize("kind", ["bases", "architectures", "tasks", "adaptations", "techniques", "metrics"])
def test_list(kind, capsys):
    assert invoke(["list", kind, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == kind
    assert document["components"]
    assert all(component["description"] for component in document["components"])


def test_list_in_words(capsys):
    assert invoke(["list", "adaptations"]) == 0
    assert "  rank = 8" in capsys.readouterr().out


def test_schema_is_one_document_either_way(capsys):
    assert invoke(["schema"]) == 0
    plain = capsys.readouterr().out
    assert invoke(["schema", "--json"]) == 0
    assert capsys.readouterr().out == plain
    assert json.loads(plain)["$schema"].endswith("2020-12/schema")
