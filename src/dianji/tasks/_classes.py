"""What classification tasks share once there are logits: loss, outputs, predictions, outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    ranked = _ranked(labels, softmax(outputs["logits"]))
    return [LabelPrediction(*next(iter(every.items())), every) for every in ranked]


def labels_predictions(labels: tuple[str, ...], outputs: Outputs, threshold: float) -> list[LabelsPrediction]:
    """One per row of logits."""
    ranked = _ranked(labels, sigmoid(outputs["logits"]))
    return [LabelsPrediction(tuple(name for name, p in every.items() if p >= threshold), every) for every in ranked]


def _ranked(labels: tuple[str, ...], probabilities: np.ndarray) -> list[dict[str, float]]:
    order = np.argsort(-probabilities, axis=1, kind="stable")
    values = np.take_along_axis(probabilities, order, axis=1)
    return [
        {labels[number]: value for number, value in zip(*pair, strict=True)}
        for pair in zip(order.tolist(), values.tolist(), strict=True)
    ]
