"""kill -9 at any moment, run the same command again: the weights are those of a run that was never killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import write_recipe

KILLS = 12  # for each adaptation
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
    train: {epochs: 2, batch_size: 5, accumulate: 2, checkpoint_every: 1}
    techniques: [{ema: {decay: 0.9}}]
    evaluate: {resamples: 100, baselines: false}
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to know which file is being saved")
@pytest.mark.parametrize("adapt", ["full", "{lora: {rank: 2}}"], ids=["full", "lora"])
def test_killed_runs_end_in_the_same_bytes(tmp_path, project, adapt):
    recipe = write_recipe(tmp_path, project, RECIPE.replace("ADAPT", adapt))
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, script, recipe, tmp_path / "homes", str(KILLS), "1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == KILLS
    assert report["while_saving"].keys() == {"any", "/checkpoint/", "/.artefact."}
    assert report["finished"] >= 2
    assert len(report["digests"]) == 1, "a killed run ended in other weights"
    assert len(report["stories"]) == 1, "a killed run tells of a step twice, or not at all"
    assert report["leftovers"] == []
