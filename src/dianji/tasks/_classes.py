"""What classification tasks share once there are logits: loss, outputs, predictions, outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from dianji.evaluate.outcome import Classified, Tagged
from dianji.tasks._labels import indicators
from dianji.tasks.base import Batch, Loss, Outputs

#: Batch entries that are no model inputs.
TARGET = "labels"

ONE_LABEL = ("accuracy", "macro-f1", "micro-f1", "weighted-f1", "log-loss", "expected-calibration-error")
SEVERAL_LABELS = ("micro-f1", "macro-f1", "weighted-f1", "accuracy", "log-loss", "expected-calibration-error")


@dataclass(frozen=True, eq=False)
class Ranked(Mapping[str, float]):
    """label -> probability, most likely first; ranked when it is first gone through, which most predictions never are.

    Args:
        chances: (labels,) float32 by class number.
        number: label -> class number.
    """

    chances: np.ndarray
    number: Mapping[str, int]

    def __getitem__(self, label: str) -> float:
        return float(self.chances[self.number[label]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self.number)

    def __repr__(self) -> str:
        return repr(dict(self))

    @cached_property
    def _names(self) -> list[str]:
        names = list(self.number)
        return [names[number] for number in np.argsort(-self.chances, kind="stable").tolist()]


@dataclass(frozen=True)
class LabelPrediction:
    """The most likely label. ``probabilities`` are all of them, most likely first."""

    label: str
    probability: float
    probabilities: Mapping[str, float]

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"label", "probability"}``, and ``probabilities`` if ``everything``."""
        short = {"label": self.label, "probability": self.probability}
        return {**short, "probabilities": dict(self.probabilities)} if everything else short


@dataclass(frozen=True)
class LabelsPrediction:
    """The labels above the threshold, none perhaps. ``probabilities`` are all of them, most likely first."""

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]

    def to_json(self, *, everything: bool = False) -> dict[str, Any]:
        """``{"labels": {label: probability}}``, and ``probabilities`` if ``everything``."""
        short = {"labels": {label: self.probabilities[label] for label in self.labels}}
        return {**short, "probabilities": dict(self.probabilities)} if everything else short


def logits(model: torch.nn.Module, batch: Batch) -> Tensor:
    """(examples, labels), in fp32 whatever the precision of the products before."""
    inputs = {name: tensor for name, tensor in batch.items() if name != TARGET}
    found: Tensor = model(**inputs).logits
    return found.float()


def loss(scores: Tensor, target: Tensor) -> Loss:
    """Mean cross-entropy for (examples,) class numbers, mean binary cross-entropy for (examples, labels) 0/1."""
    if target.dim() == 1:
        return Loss(functional.cross_entropy(scores, target), len(target))
    return Loss(functional.binary_cross_entropy_with_logits(scores, target), len(target))


def softmax(scores: np.ndarray) -> np.ndarray:
    """(rows, labels) logits to float32 probabilities."""
    exact = torch.from_numpy(scores).double().softmax(dim=-1)
    return exact.float().numpy()


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """(rows, labels) logits to float32 probabilities, each its own."""
    return torch.from_numpy(scores).double().sigmoid().float().numpy()


def classified(labels: tuple[str, ...], outputs: Outputs, examples: pa.Table) -> Classified:
    """Logits beside the ``target`` column."""
    return Classified(labels, examples["target"].to_numpy(), softmax(outputs["logits"]))


def tagged(labels: tuple[str, ...], outputs: Outputs, examples: pa.Table, threshold: float) -> Tagged:
    """Logits beside the ``target`` column of lists."""
    return Tagged(labels, indicators(examples["target"], len(labels)), sigmoid(outputs["logits"]), threshold)


def label_predictions(labels: tuple[str, ...], outputs: Outputs) -> list[LabelPrediction]:
    """One per row of logits."""
    probabilities, number = softmax(outputs["logits"]), _numbers(labels)
    best = probabilities.argmax(axis=1)
    values = probabilities[np.arange(len(best)), best]
    return [
        LabelPrediction(labels[label], value, Ranked(row, number))
        for label, value, row in zip(best.tolist(), values.tolist(), probabilities, strict=True)
    ]


def labels_predictions(labels: tuple[str, ...], outputs: Outputs, threshold: float) -> list[LabelsPrediction]:
    """One per row of logits."""
    number = _numbers(labels)
    predictions = []
    for row in sigmoid(outputs["logits"]):
        found = np.flatnonzero(row >= threshold)
        ranked = found[np.argsort(-row[found], kind="stable")]
        predictions.append(LabelsPrediction(tuple(labels[label] for label in ranked.tolist()), Ranked(row, number)))
    return predictions


def _numbers(labels: tuple[str, ...]) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}
