"""Scores that do not follow from the recorded predictions."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dianji.artefact.verify import scores
from dianji.artefact.verify.subject import Faults
from dianji.testing.tampering import edit_json, edit_tensors
from tests.artefact.conftest import subject_of
from tests.artefact.verify.test_origin import changed

Tensors = dict[str, np.ndarray]


def told(folder: Path) -> str:
    faults = Faults()
    scores.check(subject_of(folder), faults)
    return "\n".join(str(fault) for fault in faults.found)


def test_honest_scores(artefact: Path) -> None:
    assert told(artefact) == ""


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("metrics", "test", "accuracy", "value"), 0.51, r"metrics.test.accuracy.value: says 0.51, the record gives"),
        (("metrics", "test", "accuracy", "low"), 0.5, r"metrics.test.accuracy.low: says 0.5"),
        (("metrics", "test", "accuracy", "n"), 1000, r"metrics.test.accuracy.n: says 1000"),
        (("metrics", "validation", "log-loss", "high"), 0.0, r"metrics.validation.log-loss.high"),
        (("metrics", "test", "accuracy"), {"value": 1.0}, r"metrics.test.accuracy: expected \['high'"),
        (("metrics", "test"), {"log-loss": {}}, r"the primary metric accuracy is not among them"),
        (("metrics", "test", "invented"), {"value": 1.0}, r"there is no metric 'invented'"),
        (("metrics", "third"), {}, r"splits: expected .*test.*validation.*third"),
        (("classes", "test", "labels", "card", "f1", "value"), 2.0, r"classes.test.labels.card.f1.value: says 2.0"),
        (("classes", "test", "confusion"), [[9]], r"classes.test.confusion: differs"),
    ],
)
def test_an_edited_figure_is_named(artefact: Path, path: tuple[str, ...], value: object, expected: str) -> None:
    edit_json(artefact / "evidence/metrics.json", changed(*path, to=value))
    assert re.search(expected, told(artefact))


def test_a_split_that_is_kept_back_is_missed(artefact: Path) -> None:
    edit_json(
        artefact / "evidence/metrics.json", lambda m: {**m, "metrics": {"validation": m["metrics"]["validation"]}}
    )
    assert 'splits: expected ["test", "validation"]' in told(artefact)
    (artefact / "evidence/validation.safetensors").unlink()
    assert "nothing is recorded of the split 'validation'" in told(artefact)


def _shorter(tensors: Tensors) -> None:
    tensors.update({name: value[:-1] for name, value in tensors.items()})


def _other_truth(tensors: Tensors) -> None:
    tensors["outcome/target"] = np.zeros_like(tensors["outcome/target"])


def _no_class(tensors: Tensors) -> None:
    tensors["outcome/target"][0] = 99


def _no_probability(tensors: Tensors) -> None:
    tensors["outcome/probabilities"][0] = [1.5, -0.5, 0.0]


def _too_sure(tensors: Tensors) -> None:
    tensors["outcome/probabilities"][0] = [0.9, 0.9, 0.9]


def _narrow(tensors: Tensors) -> None:
    tensors["outcome/probabilities"] = tensors["outcome/probabilities"][:, :1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_shorter, r"rows: expected"),
        (_other_truth, r"rows of each label: expected"),
        (_no_probability, r"a probability is below 0 or above 1"),
        (_too_sure, r"do not sum to 1"),
        (_no_class, r"a row's class is none of the labels"),
        (_narrow, r"columns: expected \[3\], found \[1\]"),
    ],
)
def test_a_record_that_cannot_be(artefact: Path, change: Callable[[Tensors], None], expected: str) -> None:
    edit_tensors(artefact / "evidence/test.safetensors", change)
    assert re.search(expected, told(artefact))


def test_labels_in_another_order_are_other_labels(artefact: Path) -> None:
    edit_json(artefact / "dianji.json", changed("task", "arguments", "labels", to=["refund", "login", "card"]))
    assert "test.safetensors: labels" in told(artefact)


def test_sums_in_another_order_are_the_same_figure() -> None:
    assert scores.differences({"a": 0.1 + 0.2}, {"a": 0.3}) == []
    assert scores.differences({"a": 0.31}, {"a": 0.3}) == ["a: says 0.31, the record gives 0.3"]
