"""The stored figures, computed anew from what is recorded of every row: an edited score is found without the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dianji.artefact.record import Record
from dianji.artefact.verify.subject import Faults, Subject
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.classes import per_class
from dianji.evaluate.outcome import Classified, Outcome, Tagged
from dianji.registry import REGISTRY

METRICS = "evidence/metrics.json"
#: Figures come from the same arrays by the same code; sums may be taken in another order.
CLOSE = 1e-6
#: Probabilities are stored in float32.
SUMS = 1e-4


@dataclass(frozen=True)
class _Measured:
    """One split: what is recorded, and what is said of it."""

    split: str
    record: Record
    figures: Mapping[str, Mapping[str, float]]
    classes: Mapping[str, Any]
    report: Mapping[str, Any]


def check(subject: Subject, faults: Faults) -> None:
    """Every held-out split that the data report counts is recorded, measured, and measured right."""
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
    """What is recorded of a split.

    Raises:
        ArtefactError: nothing, or something damaged.
    """
    kinds = {kind for name in subject.task().metrics for kind in REGISTRY.get("metric", name).outcomes}
    return Record.read(subject.folder / "evidence", split, kinds)


def differences(found: Any, expected: Any, place: str = "") -> list[str]:
    """Where two documents of figures differ, in words; ``{"value": 0.9}`` against ``{"value": 0.8}``."""
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
    lengths = {len(value) for value in vars(outcome).values() if isinstance(value, np.ndarray)}
    faults.expect(place, "rows", sorted({*lengths, len(told.record.rows)}), [told.report["rows"][told.split]])
    if isinstance(outcome, Classified | Tagged):
        faults.expect(place, "labels", list(outcome.labels), subject.manifest.task["arguments"]["labels"])
    if len(faults.found) == before:
        _is_possible(place, outcome, faults)
        if isinstance(outcome, Classified | Tagged) and told.split in told.report.get("labels", {}):
            _labels_counted(place, outcome, told.report["labels"][told.split], faults)
    return len(faults.found) == before


def _is_possible(place: str, outcome: Outcome, faults: Faults) -> None:
    """Probabilities are probabilities, class numbers are of classes."""
    if not isinstance(outcome, Classified | Tagged):
        return
    shares = outcome.probabilities
    faults.expect(place, "columns", list(shares.shape[1:]), [len(outcome.labels)])
    if not ((shares >= 0) & (shares <= 1)).all():
        faults.add(place, "a probability is below 0 or above 1")
    if isinstance(outcome, Classified):
        if (np.abs(shares.sum(axis=1, dtype=np.float64) - 1) > SUMS).any():
            faults.add(place, "the probabilities of a row do not sum to 1")
        if outcome.target.min(initial=0) < 0 or outcome.target.max(initial=0) >= len(outcome.labels):
            faults.add(place, "a row's class is none of the labels")


def _labels_counted(place: str, outcome: Classified | Tagged, counted: Mapping[str, int], faults: Faults) -> None:
    tagged = isinstance(outcome, Tagged)
    counts = outcome.target.sum(axis=0) if tagged else np.bincount(outcome.target, minlength=len(outcome.labels))
    found = {label: int(count) for label, count in zip(outcome.labels, counts, strict=True) if count}
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
    if isinstance(outcome, Classified | Tagged):
        for fault in differences(told.classes, per_class(outcome, resamples, seed), f"classes.{told.split}"):
            faults.add(METRICS, fault)
