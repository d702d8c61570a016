"""kill -9 at any moment, run the same command again: the weights are those of a run that was never killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import write_recipe

KILLS = 8  # for each adaptation
KILLS_OF_STATES = 6
KILLS_OF_STREAMS = 8
RECIPE = """
name: killed
seed: 7
base: BASE
data:
  questions: {path: DATA/questions.csv, columns: {text: query, label: intent}}
stages:
  intent:
    task: text-classification
    data: questions
    adapt: ADAPT
    train: TRAIN
    techniques: TECHNIQUES
    evaluate: {resamples: 100, baselines: false}
"""
STREAMED = """
name: killed
seed: 7
base: BASE
data:
  tickets: {path: DATA/tickets.jsonl, columns: {text: body}, stream: true, split: {validation: 0.1, test: 0.1}}
stages:
  domain:
    task: {masked-language: {length: 16}}
    data: tickets
    train: {epochs: 2, batch_tokens: 128, accumulate: 2, checkpoint_every: 1}
    evaluate: {resamples: 100}
"""
LOOP = "{epochs: 2, batch_size: 5, accumulate: 2, checkpoint_every: 1}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to know which file is being saved")
@pytest.mark.parametrize("adapt", ["full", "{lora: {rank: 2}}"], ids=["full", "lora"])
def test_killed_runs_end_in_the_same_bytes(tmp_path, project, adapt):
    report = kill(tmp_path, project, (adapt, LOOP, "[{ema: {decay: 0.9}}]"), KILLS)
    assert report["while_saving"].keys() == {"any", "/checkpoint/", "/.artefact."}
    require_one_end(report)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to know which file is being saved")
@pytest.mark.parametrize(("adapt", "train"), [("last-layers", LOOP), ("frozen", "{}")], ids=["last-layers", "fitted"])
def test_runs_killed_while_states_are_kept_end_in_the_same_bytes(tmp_path, project, adapt, train):
    moments = "/.states.safetensors.,/.states.safetensors.,"
    report = kill(tmp_path, project, (adapt, train, "[]"), KILLS_OF_STATES, moments)
    assert report["while_saving"]["/.states.safetensors."] >= 2
    require_one_end(report)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to know which file is being saved")
def test_killed_streams_end_in_the_same_bytes(tmp_path, project):
    """While splits are written, while training, and while the artefact is saved."""
    moments = "/train.arrow,/report.json,/checkpoint/,,/checkpoint/,/.artefact.,,/.artefact."
    report = kill_recipe(tmp_path, project, STREAMED, KILLS_OF_STREAMS, moments)
    assert report["while_saving"].keys() == {"any", "/train.arrow", "/report.json", "/checkpoint/", "/.artefact."}
    require_one_end(report)


def kill(folder, project, parts, kills, *paths):
    """What came of so many kills of a recipe with these parts."""
    text = RECIPE
    for name, part in zip(("ADAPT", "TRAIN", "TECHNIQUES"), parts, strict=True):
        text = text.replace(name, part)
    return kill_recipe(folder, project, text, kills, *paths)


def kill_recipe(folder, project, text, kills, *paths):
    """The same of any recipe."""
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, script, write_recipe(folder, project, text), folder / "homes", str(kills), "1", *paths]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == kills
    return report


def require_one_end(report):
    assert report["finished"] >= 2
    assert len(report["digests"]) == 1, "a killed run ended in other weights"
    assert len(report["stories"]) == 1, "a killed run tells of a step twice, or not at all"
    assert report["leftovers"] == []
