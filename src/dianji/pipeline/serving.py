"""The cost of a prediction: milliseconds for a single row, measured once for each step."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from dianji.artefact.opened import Model
from dianji.artefact.probe import Probe
from dianji.store.atomic import write_json
from dianji.store.steps import StepFolder

THREADS = 1  # so that figures do not depend on how many cores a machine has
WARM_UP = 5  # predictions that are not counted
COUNTED = 50
FORMAT = 1


def milliseconds(step: StepFolder, artefact: Path) -> float:
    """Median time of a prediction from row to answer, rows of the probe one at a time, on one thread of the CPU.

    Stored beside the artefact, so that a repeated comparison gives the same figure.

    Args:
        step: whose folder keeps the figure.
        artefact: the step's, or that of one of its parts.

    Raises:
        ArtefactError: the artefact is damaged.
    """
    part = "" if artefact == step.artefact else f"-{artefact.name}"
    path = step.folder / f"serving{part}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] == FORMAT:
            return float(kept["milliseconds"])
    model = Model.open(artefact)
    found = _measure(model)
    write_json(path, {"format": FORMAT, "milliseconds": found, "threads": THREADS, "predictions": COUNTED})
    return found


def size(step: StepFolder) -> int:
    """Bytes of all files in the artefact's folder."""
    return sum(path.stat().st_size for path in step.artefact.rglob("*") if path.is_file())


def _measure(model: Model) -> float:
    rows = Probe.read(model.folder).rows
    taken = []
    with _threads(THREADS):
        for number in range(WARM_UP + COUNTED):
            row = rows.slice(number % rows.num_rows, 1)
            began = time.perf_counter()
            model.predict(row)
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken[WARM_UP:])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
