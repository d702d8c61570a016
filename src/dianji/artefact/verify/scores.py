"""Recomputes the stored figures from the record of every row: an edited score is found without the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dianji.artefact.record import Record, kinds_of
from dianji.artefact.verify.subject import Faults, Subject
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.classes import per_class
from dianji.evaluate.outcome import Outcome

METRICS = "evidence/metrics.json"
#: Figures come from the same arrays by the same code; sums may be taken in another order.
CLOSE = 1e-6


@dataclass(frozen=True)
class _Measured:
    """One split: its record and its stored figures."""

    split: str
    record: Record
    figures: Mapping[str, Mapping[str, float]]
    classes: Mapping[str, Any]
    report: Mapping[str, Any]


def check(subject: Subject, faults: Faults) -> None:
    """Every held-out split of the data report must be recorded and measured, with equal figures."""
    with faults.at(METRICS):
        metrics, report = subject.document("metrics"), subject.document("data")
        held_out = {split for split, rows in report["rows"].items() if rows and split != "train"}
        faults.expect(METRICS, "splits", sorted(metrics["metrics"]), sorted(held_out))
        for split, figures in metrics["metrics"].items():
            place = f"evidence/{split}.safetensors"
            with faults.at(place):
                record = read_record(subject, split)
                told = _Measured(split, record, figures, metrics["classes"].get(split, {}), report)
                if _is_sound(subject, told, faults):
                    _figures_agree(subject, told, faults)


def read_record(subject: Subject, split: str) -> Record:
    """The record of a split.

    Raises:
        ArtefactError: nothing, or something damaged.
    """
    return Record.read(subject.folder / "evidence", split, kinds_of(subject.task()))


def differences(found: Any, expected: Any, place: str = "") -> list[str]:
    """The places where two documents of figures differ, in words; ``{"value": 0.9}`` against ``{"value": 0.8}``."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if found.keys() != expected.keys():
            return [f"{place.lstrip('.')}: expected {sorted(expected)}, found {sorted(found)}"]
        return [told for key in expected for told in differences(found[key], expected[key], f"{place}.{key}")]
    if isinstance(expected, list) and isinstance(found, list):
        return [] if found == expected else [f"{place.lstrip('.')}: differs from what the record gives"]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (found, expected))
    if numbers and math.isclose(found, expected, rel_tol=CLOSE, abs_tol=CLOSE):
        return []
    return [f"{place.lstrip('.')}: says {found}, the record gives {expected}"]


def _is_sound(subject: Subject, told: _Measured, faults: Faults) -> bool:
    """Shapes, labels and counts, without which figures mean nothing."""
    place, outcome, before = f"evidence/{told.split}.safetensors", told.record.outcome, len(faults.found)
    lengths = {*(len(value) for value in outcome.arrays().values()), len(told.record.rows)}
    faults.expect(place, "rows", sorted(lengths), [told.report["rows"][told.split]])
    learnt = subject.manifest.task["arguments"]
    for name, value in outcome.plain().items():
        if name in learnt:  # labels, thresholds: what the outcome shares with the task
            faults.expect(place, name, list(value) if isinstance(value, tuple) else value, learnt[name])
    if len(faults.found) == before:
        for fault in outcome.check():
            faults.add(place, fault)
    if len(faults.found) == before and told.split in told.report.get("labels", {}):
        _labels_counted(place, outcome, told.report["labels"][told.split], faults)
    return len(faults.found) == before


def _labels_counted(place: str, outcome: Outcome, counted: Mapping[str, int], faults: Faults) -> None:
    found = outcome.support()
    if found is not None:
        expected = {label: count for label, count in counted.items() if count}
        faults.expect(place, "rows of each label", dict(sorted(found.items())), dict(sorted(expected.items())))


def _figures_agree(subject: Subject, told: _Measured, faults: Faults) -> None:
    task, seed, outcome = subject.task(), subject.manifest.seed, told.record.outcome
    resamples = subject.document("spec")["evaluate"]["resamples"]
    if not set(told.figures) & set(task.metrics[:1]):
        faults.add(METRICS, f"metrics.{told.split}: the primary metric {task.metrics[0]} is not among them")
    measured = estimates(told.figures, outcome, resamples, seed)
    expected: dict[str, Any] = {name: asdict(estimate) for name, estimate in measured.items()}
    for fault in differences(told.figures, expected, f"metrics.{told.split}"):
        faults.add(METRICS, fault)
    for fault in differences(told.classes, per_class(outcome, resamples, seed), f"classes.{told.split}"):
        faults.add(METRICS, fault)
