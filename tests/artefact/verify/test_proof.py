"""A probe that proves something."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dianji.artefact.probe import Probe
from dianji.artefact.verify import proof
from dianji.artefact.verify.subject import Faults
from dianji.testing.tampering import cover_up, edit_json, edit_tensors
from tests.artefact.conftest import subject_of
from tests.artefact.verify.test_origin import changed


def told(folder: Path) -> str:
    cover_up(folder)
    faults = Faults()
    proof.check(subject_of(folder), faults)
    return "\n".join(str(fault) for fault in faults.found)


def test_a_fresh_process_reproduces_it(artefact: Path) -> None:
    assert proof.check(subject_of(artefact), Faults()).startswith("largest difference ")


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("probe.json", changed("tolerance", to={"fp32": 1.0}), r"tolerance: expected .*1e-05.*found .*1.0"),
        ("probe.json", changed("seed", to=6), r"probe.json: seed: expected 5, found 6"),
        ("probe.json", changed("synthetic", to=True), r"probe.json: rows: expected \[32, 32\]"),
        ("probe.json", changed("inputs", to={}), r"probe.json: "),
        ("dianji.json", changed("task", "arguments", "labels", to=["a", "b"]), r"fresh process could not reproduce"),
    ],
)
def test_a_probe_that_proves_less_is_told(
    artefact: Path, file: str, change: Callable[..., object], expected: str
) -> None:
    edit_json(artefact / file, change)
    assert re.search(expected, told(artefact))


def test_no_outputs_prove_nothing(artefact: Path) -> None:
    def other_name(tensors: dict[str, np.ndarray]) -> None:
        tensors["somewhere/logits"] = tensors.pop("output/logits")

    edit_tensors(artefact / "probe.safetensors", other_name)
    assert "holds no outputs to compare with" in told(artefact)


def test_recorded_predictions_are_those_of_this_model(artefact: Path) -> None:
    """Forged for the probe's rows alone, with every score computed anew: the record is not what the model says."""

    def surer(tensors: dict[str, np.ndarray]) -> None:
        shares = tensors["outcome/probabilities"]
        best = np.eye(shares.shape[1], dtype=np.float32)[shares.argmax(axis=1)]
        tensors["outcome/probabilities"] = (0.9 * shares + 0.1 * best).astype(np.float32)

    edit_tensors(artefact / "evidence/validation.safetensors", surer)
    assert "validation.safetensors: probabilities differs by" in told(artefact)


def test_a_probe_of_other_rows_is_not_the_one_that_was_drawn(artefact: Path) -> None:
    """Answered by this very model, so that it is reproduced: but not by the rows that the seed chose."""
    probe = Probe.read(artefact)
    order = np.arange(probe.rows.num_rows)[::-1].copy()
    other = replace(
        probe, rows=probe.rows.take(order), outputs={name: value[order] for name, value in probe.outputs.items()}
    )
    other.write(artefact)
    assert "differs by" in told(artefact)
