"""Answers of classification: one label per row, or several."""

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

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.evaluate.labelled import Classified, Tagged
from dianji.tasks import _labels
from dianji.tasks.base import Loss, Outputs

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


@dataclass(frozen=True)
class OneLabel:
    """One label per row, in a column ``label``; ``labels`` are empty before ``learn``."""

    labels: tuple[str, ...]

    @property
    def columns(self) -> Mapping[str, Column]:
        """``label``."""
        return {"label": Column("label", target=True)}

    @property
    def linear(self) -> bool:
        """Yes."""
        return True

    @property
    def baselines(self) -> tuple[str, ...]:
        """The majority."""
        return ("majority",)

    @property
    def measured(self) -> type[Classified]:
        """``Classified``."""
        return Classified

    @property
    def metrics(self) -> tuple[str, ...]:
        """Accuracy first."""
        return ONE_LABEL

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Nothing that the column does not show by itself."""

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """``labels``, sorted; those that were given are kept.

        Raises:
            DataError: one class only, or a label that is not among the given ones.
        """
        if self.labels:
            self.baseline_targets(table)
        return {"labels": self.labels or _labels.learn_one(table)}

    def configuration(self) -> dict[str, Any]:
        """See ``Answer``."""
        return label_names(self.labels, "single_label_classification")

    def encode(self, table: pa.Table) -> Mapping[str, pa.Array]:
        """``target`` (int64)."""
        if "label" not in table.column_names:
            return {}
        return {"target": pa.array(self.baseline_targets(table), pa.int64())}

    def targets(self, examples: pa.Table) -> Tensor:
        """(examples,) class numbers."""
        return torch.from_numpy(np.array(examples["target"].to_numpy()))  # a copy: torch wants to own its memory

    def loss(self, logits: Tensor, target: Tensor) -> Loss:
        """Mean cross-entropy."""
        return Loss(functional.cross_entropy(logits, target), len(target))

    def predictions(self, outputs: Outputs) -> list[LabelPrediction]:
        """The most likely label of each row."""
        probabilities, number = softmax(outputs["logits"]), _numbers(self.labels)
        best = probabilities.argmax(axis=1)
        values = probabilities[np.arange(len(best)), best]
        return [
            LabelPrediction(self.labels[label], value, Ranked(row, number))
            for label, value, row in zip(best.tolist(), values.tolist(), probabilities, strict=True)
        ]

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Classified:
        """Logits beside the ``target`` column."""
        return Classified(self.labels, examples["target"].to_numpy(), softmax(outputs["logits"]))

    def constant_loss(self, table: pa.Table) -> float:
        """The entropy of the labels."""
        return _labels.entropy(np.bincount(self.baseline_targets(table), minlength=len(self.labels)))

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows,) int64."""
        return _labels.encode_one(table, self.labels)

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Classified:
        """See ``Comparable``."""
        return Classified(self.labels, self.baseline_targets(table), given.astype(np.float32))


@dataclass(frozen=True)
class SeveralLabels:
    """Any number of labels per row, in a column ``labels``; those of at least ``threshold`` are predicted."""

    labels: tuple[str, ...]
    threshold: float = 0.5

    @property
    def columns(self) -> Mapping[str, Column]:
        """``labels``."""
        return {"labels": Column("labels", target=True)}

    @property
    def linear(self) -> bool:
        """No: each label is a yes-or-no question."""
        return False

    @property
    def baselines(self) -> tuple[str, ...]:
        """Each label's share."""
        return ("majority",)

    @property
    def measured(self) -> type[Tagged]:
        """``Tagged``."""
        return Tagged

    @property
    def metrics(self) -> tuple[str, ...]:
        """Micro F1 first."""
        return SEVERAL_LABELS

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Nothing that the column does not show by itself."""

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """``labels``, sorted; those that were given are kept.

        Raises:
            DataError: no label at all, or one that is not among the given ones.
        """
        if self.labels:
            self.baseline_targets(table)
        return {"labels": self.labels or _labels.learn_several(table)}

    def configuration(self) -> dict[str, Any]:
        """See ``Answer``."""
        return label_names(self.labels, "multi_label_classification")

    def encode(self, table: pa.Table) -> Mapping[str, pa.Array]:
        """``target``: lists of int64."""
        if "labels" not in table.column_names:
            return {}
        return {"target": pa.array(_labels.encode_several(table, self.labels), pa.large_list(pa.int64()))}

    def targets(self, examples: pa.Table) -> Tensor:
        """(examples, labels) 0/1."""
        return torch.from_numpy(_labels.indicators(examples["target"], len(self.labels)).astype(np.float32))

    def loss(self, logits: Tensor, target: Tensor) -> Loss:
        """Mean binary cross-entropy over all labels."""
        return Loss(functional.binary_cross_entropy_with_logits(logits, target), len(target))

    def predictions(self, outputs: Outputs) -> list[LabelsPrediction]:
        """The labels above the threshold, the most likely first."""
        number = _numbers(self.labels)
        predictions = []
        for row in sigmoid(outputs["logits"]):
            found = np.flatnonzero(row >= self.threshold)
            ranked = found[np.argsort(-row[found], kind="stable")]
            names = tuple(self.labels[label] for label in ranked.tolist())
            predictions.append(LabelsPrediction(names, Ranked(row, number)))
        return predictions

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Tagged:
        """Logits beside the ``target`` column of lists."""
        target = _labels.indicators(examples["target"], len(self.labels))
        return Tagged(self.labels, target, sigmoid(outputs["logits"]), self.threshold)

    def constant_loss(self, table: pa.Table) -> float:
        """The mean over labels of the entropy of having it or not."""
        having = self.baseline_targets(table).sum(axis=0)
        return float(np.mean([_labels.entropy(np.array([count, table.num_rows - count])) for count in having]))

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """(rows, labels) bool."""
        numbers = pa.array(_labels.encode_several(table, self.labels), pa.large_list(pa.int64()))
        return _labels.indicators(numbers, len(self.labels))

    def baseline_outcome(self, table: pa.Table, given: np.ndarray) -> Tagged:
        """See ``Comparable``."""
        return Tagged(self.labels, self.baseline_targets(table), given.astype(np.float32), self.threshold)


def label_names(labels: tuple[str, ...], problem: str) -> dict[str, Any]:
    """Configuration entries by which transformers knows the classes."""
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "problem_type": problem,
    }


def softmax(scores: Any) -> np.ndarray:
    """(rows, labels) logits to float32 probabilities."""
    exact = torch.from_numpy(scores).double().softmax(dim=-1)
    return exact.float().numpy()


def sigmoid(scores: Any) -> np.ndarray:
    """(rows, labels) logits to float32 probabilities, each its own."""
    return torch.from_numpy(scores).double().sigmoid().float().numpy()


def _numbers(labels: tuple[str, ...]) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}
