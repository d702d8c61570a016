"""``dianji run`` where every step is done, in a process from its start to its end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _tools import dianji, environment

from suite.sets import read, write_rows

RECIPE = """
name: finished
seed: 7
base: {new: transformer, layers: 2, width: 32, heads: 2}
data:
  rows: {path: rows.csv}
stages:
  words:
    task: masked-language
    data: rows
    train: {steps: 4}
    evaluate: {resamples: 100, baselines: false}
  intent:
    task: text-classification
    data: rows
    train: {steps: 4}
    evaluate: {resamples: 100, baselines: false}
"""
IMPORT = [sys.executable, "-c", "import torch"]


def prepare(questions: Path, folder: Path) -> None:
    """Two stages of a toy, run once, so that nothing is left to do."""
    folder.mkdir(exist_ok=True)
    write_rows(folder / "rows.csv", read(questions / "train.csv")[:1000])
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    measure(folder)


def measure(folder: Path) -> dict[str, Any]:
    """Seconds of the command, and of importing torch for comparison."""
    return {
        "seconds": _seconds([dianji(), "run", "recipe.yaml", "--quiet"], folder),
        "import_torch_seconds": _seconds(IMPORT, folder),
    }


def _seconds(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(DIANJI_HOME=str(folder / "home")),
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return round(time.perf_counter() - began, 3)
