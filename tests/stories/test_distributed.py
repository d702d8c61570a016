"""Several processes run a recipe as one would: the same losses, one writer, exact resume; with one, all are lost."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from dianji import verbs
from dianji.store.ledger import Ledger
from dianji.store.steps import Store
from tests.conftest import ROOT

from .conftest import write_recipe

BIN = Path(sys.executable).parent
RECIPE = """
name: several
seed: 7
base: {new: transformer, layers: 2, width: 32, heads: 2, length: 32, vocabulary: 200, dropout: 0.0}
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  questions: {path: DATA/questions.csv, columns: {text: query, label: intent}}
stages:
  domain:
    task: masked-language
    data: tickets
    train: {steps: 6, batch_tokens: 300, precision: fp32}
    evaluate: {resamples: 100}
  intent:
    task: text-classification
    data: questions
    train: {epochs: 2, batch_size: 7, accumulate: 2, precision: fp32, checkpoint_every: 2}
    techniques: [{ema: {decay: 0.9}}]
    evaluate: {resamples: 100, baselines: false}
"""
#: A teacher labels the tickets, and a student learns from them too.
DERIVED = """
name: derived
seed: 7
base: {new: transformer, layers: 2, width: 32, heads: 2, length: 32, vocabulary: 200, dropout: 0.0}
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}}
  questions: {path: DATA/questions.csv, columns: {text: query, label: intent}}
  sure: {from: teacher, select: {pseudo-labels: {probability: 0.05}}, rows: tickets, with: questions}
stages:
  teacher: &stage
    task: text-classification
    data: questions
    train: {steps: 6, batch_size: 8, precision: fp32}
    evaluate: {resamples: 100, baselines: false}
  student: {<<: *stage, data: sure}
"""
STAGES = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked from one that has the imports"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def recipe(folder, project):
    return write_recipe(folder, project, RECIPE)


@pytest.fixture(scope="module")
def derived(folder, project):
    (folder / "rows").mkdir()
    return write_recipe(folder / "rows", project, DERIVED)


@pytest.fixture(scope="module")
def cases(folder, recipe, derived):
    """What came of each case in ``several.py``: one entry per process."""
    done = start([sys.executable, "-m", "tests.stories.several", recipe, derived, folder])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start(command, **environment):
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def codes(case):
    return [one["code"] for one in case]


def artefacts(home):
    """By stage."""
    found = [step.artefact for step in Store(home).steps()]
    return {json.loads((folder / "dianji.json").read_text())["stage"]: folder for folder in found}


def events(artefact):
    return [json.loads(line) for line in (artefact / "evidence/events.jsonl").read_text().splitlines()]


def digests(home):
    return {
        stage: hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        for stage, folder in artefacts(home).items()
    }


def assert_written_once(home):
    """Nobody wrote what another one had written."""
    entries = Ledger(home / "ledger.jsonl").entries()
    done = [entry["stage"] for entry in entries if entry["event"] == "done"]
    assert sorted(done) == ["domain", "intent"]
    assert verbs.verify_ledger(Store(home)).ok
    for stage, artefact in artefacts(home).items():
        story = [(event["event"], event["step"]) for event in events(artefact)]
        assert len(story) == len(set(story)), stage
        allowed = {"lock", "holder", "spec.json", "quality.json", "events.jsonl", "metrics.json", "DONE", "artefact"}
        assert {path.name for path in artefact.parent.iterdir()} <= allowed


def test_two_processes_learn_what_one_learns(folder, cases):
    assert codes(cases["alone"]) == [0]
    assert codes(cases["together"]) == [0, 0]
    alone, together = artefacts(folder / "alone"), artefacts(folder / "together")
    assert len(together) == STAGES
    for stage in alone:
        expected, found = events(alone[stage]), events(together[stage])
        assert [(event["event"], event["step"]) for event in found] == [
            (event["event"], event["step"]) for event in expected
        ]
        losses, other = ([event["loss"] for event in story if event["event"] == "step"] for story in (found, expected))
        np.testing.assert_allclose(losses, other, atol=1e-6)
        weights = load_file(together[stage] / "model.safetensors")
        for name, value in load_file(alone[stage] / "model.safetensors").items():
            np.testing.assert_allclose(weights[name], value, atol=1e-5, err_msg=name)


def test_one_process_writes_and_speaks(folder, cases):
    assert_written_once(folder / "together")
    main, other = cases["together"]
    begun = [entry for entry in Ledger(folder / "together/ledger.jsonl").entries() if entry["event"] == "begin"]
    assert len(begun) == STAGES
    assert "artefact" in main["value"]
    assert "2 processes" in main["said"]
    assert other["value"] == ""
    assert other["said"] == ""


def test_what_is_done_is_reused_and_answered_once(cases):
    main, other = cases["reused"]
    assert codes(cases["reused"]) == [0, 0]
    assert [stage["reused"] for stage in json.loads(main["value"])["stages"]] == [True, True]
    assert other["value"] == ""


def test_a_lost_process_ends_the_others_and_torchrun_goes_on(folder, recipe, cases):
    main, lost = cases["killed"]
    assert lost["code"] == -9
    assert main["code"] == 1
    assert main["seconds"] - lost["seconds"] < 30
    assert "process 1 (of 0 to 1) is gone" in main["said"]
    command = [BIN / "torchrun", "--standalone", "--nproc-per-node", "2", "-m", "dianji", "run", recipe, "--json"]
    done = start(command, DIANJI_HOME=str(folder / "killed"))
    assert done.returncode == 0, done.stderr
    assert [stage["reused"] for stage in json.loads(done.stdout)["stages"]] == [True, False]
    assert digests(folder / "killed") == digests(folder / "together")
    assert_written_once(folder / "killed")


def test_a_lost_main_process_ends_the_others(folder, cases):
    lost, other = cases["main killed"]
    assert lost["code"] == -9
    assert other["code"] == 1
    assert other["seconds"] - lost["seconds"] < 30
    assert "process 0 (of 0 to 1) is gone" in other["said"]
    assert codes(cases["main killed, resumed"]) == [0, 0]
    assert digests(folder / "main killed") == digests(folder / "together")
    assert_written_once(folder / "main killed")


def test_a_signal_to_one_stops_all_at_the_same_step_and_accelerate_goes_on(folder, recipe, cases):
    main, other = cases["stopped"]
    assert codes(cases["stopped"]) == [130, 130]
    assert "a signal to another process: stage intent is saved at step 3" in main["said"]
    assert "Run the same command again to go on" in main["said"]
    assert other["said"] == ""
    command = [BIN / "accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    done = start([*command, "-m", "dianji", "run", recipe, "--quiet"], DIANJI_HOME=str(folder / "stopped"))
    assert done.returncode == 0, done.stderr
    assert digests(folder / "stopped") == digests(folder / "together")
    assert_written_once(folder / "stopped")


def made(artefact):
    return json.loads((artefact / "evidence/data.json").read_text())["made"]


def test_rows_that_a_stage_makes_are_made_once_and_learnt_alike(folder, cases):
    assert codes(cases["derived alone"]) == [0]
    assert codes(cases["derived"]) == [0, 0]
    alone, together = artefacts(folder / "derived alone"), artefacts(folder / "derived")
    assert set(together) == {"teacher", "student"}
    assert 0 < made(together["student"])["rows"] == made(alone["student"])["rows"]
    assert made(together["student"])["step"] == together["teacher"].parent.name
    for stage in alone:
        weights = load_file(together[stage] / "model.safetensors")
        for name, value in load_file(alone[stage] / "model.safetensors").items():
            np.testing.assert_allclose(weights[name], value, atol=1e-5, err_msg=name)
    entries = Ledger(folder / "derived/ledger.jsonl").entries()
    assert sorted(entry["stage"] for entry in entries if entry["event"] == "done") == ["student", "teacher"]
    kept = list((folder / "derived/cache").rglob("rows.arrow"))
    assert len(kept) == 1
    assert verbs.verify(together["student"]).ok
    main, other = cases["derived, reused"]
    assert [stage["reused"] for stage in json.loads(main["value"])["stages"]] == [True, True]
    assert other["value"] == ""
    assert cases["derived"][1]["said"] == ""


def test_what_stops_the_main_process_stops_all(cases):
    main, other = cases["held"]
    assert codes(cases["held"]) == [1, 1]
    assert "is working on this step" in main["said"]
    assert other["said"] == ""


def test_wrong_input_is_wrong_input(cases):
    assert codes(cases["no such stage"]) == [2, 2]
    assert "there is no stage 'none'" in cases["no such stage"][0]["said"]
