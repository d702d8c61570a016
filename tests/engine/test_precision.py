"""A loss curve in bf16 is that in fp32, within the band that docs/speed.md names: same seed, batches and dropout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from dianji.adapt.full import Full
from dianji.adapt.lora import Lora
from dianji.bases.resolve import resolve
from dianji.engine.loop import Training
from dianji.engine.runtime import make_runtime
from dianji.reporting import Silent
from tests.engine.frozen.conftest import Made

#: Of the loss of any step, in nats. Measured: 0.002 for the toy, 0.0024 for all-MiniLM-L6-v2.
BAND = 0.01


def curve(made: Made, precision: str) -> np.ndarray:
    """(steps,) losses of a training from the same start."""
    folder = made.folder / precision
    Training(made.job(), make_runtime(precision), folder, Silent()).run()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return np.array([event["loss"] for event in events if event["event"] == "step"])


def require_one_curve(made: Made, steps: int, falls_to: float) -> None:
    exact, rounded = curve(made, "fp32"), curve(made, "bf16")
    assert len(exact) == len(rounded) == steps
    assert exact[-5:].mean() < falls_to * exact[0], "nothing was learnt that could differ"
    assert not np.array_equal(exact, rounded), "nothing was rounded"
    difference = np.abs(exact - rounded)
    assert difference.max() < BAND, f"step {difference.argmax()} differs by {difference.max():.4f}"


@pytest.mark.parametrize("fast_layers", ["auto", "off"])
@pytest.mark.parametrize("adaptation", [Full(), Lora(rank=4)], ids=["full", "lora"])
def test_a_toy_learns_the_same(tmp_path: Path, adaptation: Any, fast_layers: str) -> None:
    rate = 5e-3 if isinstance(adaptation, Full) else 2e-2
    train = {"epochs": None, "steps": 60, "learning_rate": rate, "batch_size": 6, "fast_layers": fast_layers}
    require_one_curve(Made(tmp_path, adaptation=adaptation, train=train), 60, 0.75)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("fast_layers", ["auto", "off"])
def test_minilm_learns_the_same(tmp_path: Path, data_root: Path, fast_layers: str) -> None:
    """On BANKING77, at the rates that recipes get by default."""
    questions = csv.read_csv(data_root / "banking77" / "banking_data" / "train.csv").rename_columns(["text", "label"])
    few = questions.filter(pc.is_in(questions["label"], pc.unique(questions["label"]).slice(0, 8)))
    some = few.take(np.random.default_rng(7).permutation(few.num_rows)[:500])
    train = {
        "epochs": None,
        "steps": 30,
        "learning_rate": 2e-4,
        "head_learning_rate": 2e-3,
        "batch_size": 8,
        "fast_layers": fast_layers,
    }
    base = resolve("minilm", "text", seed=0).prepare(pa.table({}))
    made = Made(tmp_path, base=lambda: base, table=lambda: some, adaptation=Full(), train=train)
    require_one_curve(made, 30, 0.75)
