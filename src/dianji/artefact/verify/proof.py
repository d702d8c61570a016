"""Checks the probe: complete, of this model, reproduced by a process that had only the folder, equal to the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dianji.artefact.opened import Model
from dianji.artefact.probe import ROWS, TOLERANCE, TOLERANCES, Probe
from dianji.artefact.reproduce import FRESH
from dianji.artefact.verify.scores import read_record
from dianji.artefact.verify.strict_json import loads
from dianji.artefact.verify.subject import Faults, Subject
from dianji.engine.seeding import generator
from dianji.errors import ArtefactError

PROBE = "probe.json"


def check(subject: Subject, faults: Faults) -> str:
    """Returns the largest difference that a fresh process computed. Opens the model: the folder must be safe."""
    note = ""
    with faults.at(PROBE):
        probe = Probe.read(subject.folder)
        _is_whole(subject, probe, faults)
        try:
            reproduced = FRESH.check(subject.folder)
            note = f"largest difference {reproduced.difference:.1e}, at most {TOLERANCE:.0e} is allowed"
            if reproduced.loader_fault:
                library = subject.manifest.loader["library"]
                faults.add("README.md", f"{library} does not open the folder to the same: {reproduced.loader_fault}")
        except ArtefactError as error:
            faults.add("probe.safetensors", str(error))
        if not faults.found and not probe.synthetic:
            _agrees_with_record(subject, probe, faults)
    return note


def _is_whole(subject: Subject, probe: Probe, faults: Faults) -> None:
    """A probe without rows, or with an unlimited tolerance, would prove nothing."""
    described = loads((subject.folder / PROBE).read_bytes())
    counts = subject.document("data")["rows"]
    drawn_from = counts.get("validation") or counts["train"]
    expected = ROWS if probe.synthetic else min(ROWS, drawn_from)
    faults.expect(PROBE, "rows", [described["rows"], probe.rows.num_rows], [expected, expected])
    faults.expect(PROBE, "seed", probe.seed, subject.manifest.seed)
    told = {"fp32", *described["tolerance"]}  # older artefacts tell of fp32 alone
    faults.expect(PROBE, "tolerance", described["tolerance"], {name: TOLERANCES.get(name) for name in sorted(told)})
    found, inputs = sorted(probe.rows.column_names), subject.task().inputs
    wanted = sorted(name for name, column in inputs.items() if not column.optional or name in found)
    faults.expect(PROBE, "columns", found, wanted)
    if not probe.outputs:
        faults.add("probe.safetensors", "holds no outputs to compare with")
    for name, values in probe.outputs.items():
        faults.expect("probe.safetensors", f"rows of {name}", len(values), expected)


def _agrees_with_record(subject: Subject, probe: Probe, faults: Faults) -> None:
    """The probe's rows are rows of the validation split: record and probe must agree on them."""
    if "validation" not in subject.document("data")["rows"]:
        return
    outcome = read_record(subject, "validation").outcome
    rows = np.sort(generator(probe.seed, 4).permutation(outcome.rows)[:ROWS])
    said = _probabilities(subject, probe)
    for name, recorded in vars(outcome).items():
        found = said if name == "probabilities" else probe.outputs.get(name)
        if found is None or not isinstance(recorded, np.ndarray):
            continue
        expected = recorded[rows].astype(np.float64)
        if found.shape != expected.shape:
            faults.add("evidence/validation.safetensors", f"{name}: of another shape than the probe's")
            continue
        scale = np.maximum(1.0, np.abs(expected))
        difference = float((np.abs(found - expected) / scale).max(initial=0.0))
        if not difference <= TOLERANCE:
            told = f"{name} differs by {difference:.1e} from what the model says of the probe's rows"
            faults.add("evidence/validation.safetensors", f"{told}; at most {TOLERANCE:.0e} is allowed")


def _probabilities(subject: Subject, probe: Probe) -> np.ndarray | None:
    """(rows, labels), in the order of the labels; None where the task's predictions have none."""
    model = Model.open(subject.folder, check_files=False)
    told: list[Any] = [
        one.to_json(everything=True).get("probabilities")
        for one in model.task.predictions(probe.outputs, probe.rows, model.base)
    ]
    if not told or not isinstance(told[0], dict):
        return None
    labels: Sequence[str] = subject.manifest.task["arguments"]["labels"]
    return np.array([[one[label] for label in labels] for one in told], dtype=np.float64)
