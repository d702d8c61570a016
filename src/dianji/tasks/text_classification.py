"""Text classification: one label per text, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModel, AutoModelForSequenceClassification

from dianji.bases.base import Base, Pooling
from dianji.data.columns import Column
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks import _classes, _heads, _labels, _tokens
from dianji.tasks._pooled import PooledClassifier, restore_head
from dianji.tasks._rows import texts
from dianji.tasks.base import Batch, Loss, Outputs, Prediction, TaskModel
from dianji.tasks.chain import Pooled

_LENGTH = 256  # tokens, unless the recipe says otherwise or the base takes fewer


@component("task", "text-classification")
@dataclass(frozen=True)
class TextClassification:
    """A linear layer over the pooled backbone, or the architecture's own classifier.

    Args:
        several: a row has any number of labels, in a column ``labels``, each with a probability of its own.
        pooling: mean of the tokens, first token, the architecture's own head (native), or what the base's card says.
        length: tokens that are read of a text; by default 256, or what the base takes if that is less.
        threshold: with ``several``, labels of at least this probability are predicted.
        labels: learnt by ``fit``; naming them fixes their order.
    """

    several: bool = False
    pooling: Literal["auto", "mean", "first", "native"] = "auto"
    length: Annotated[int, Field(gt=0)] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    labels: tuple[str, ...] = ()

    modality: ClassVar[Literal["text", "image"]] = "text"
    hub_name: ClassVar[str] = "text-classification"
    random_batches: ClassVar[bool] = False

    @property
    def columns(self) -> Mapping[str, Column]:
        """``text`` and ``label``, or ``labels``."""
        target = {"labels": Column("labels", target=True)} if self.several else {"label": Column("label", target=True)}
        return {"text": Column("text"), **target}

    def fit(self, table: pa.Table) -> Self:
        """Learn the labels; labels that were given are kept, and the table's must be among them."""
        if self.labels:
            self.baseline_targets(table)
            return self
        return replace(self, labels=_labels.learn_several(table) if self.several else _labels.learn_one(table))

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``. A pooled head goes by the name ``classifier``, its backbone by ``backbone``."""
        pooling: Pooling = base.card.pooling if self.pooling == "auto" else self.pooling
        names = _heads.label_names(self.labels, several=self.several)
        if pooling == "native":
            if getattr(base.config, "pad_token_id", 0) is None:  # decoders look for the last real token by it
                names["pad_token_id"] = _tokens.pad_id(base)
            return _heads.own_classifier(base, AutoModelForSequenceClassification, names)
        return self._pooled(base, pooling, names)

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``input_ids``, ``truncated`` (bool), and ``target``: int64, or a list of int64 for several labels."""
        found, more = _tokens.beginnings(texts(table), base, self._length(base))
        target = {"target": self._targets(table)} if self._target in table.column_names else {}
        return found.table(truncated=pa.array(more, pa.bool_()), **target)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, training: bool) -> Batch:
        """``input_ids``, ``attention_mask`` (batch, longest); ``labels`` (batch,), for several (batch, labels) 0/1."""
        batch = _tokens.model_inputs(*_tokens.padded(examples["input_ids"], _tokens.pad_id(base)))
        if "target" in examples.column_names:
            batch[_classes.TARGET] = torch.from_numpy(self._numbers(examples))
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy; binary cross-entropy for several labels."""
        return _classes.loss(_classes.logits(model, batch), batch[_classes.TARGET])

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``logits`` (examples, labels)."""
        return {"logits": _classes.logits(model, batch).cpu().numpy()}

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Rows are examples."""
        return outputs

    def predictions(self, outputs: Outputs, base: Base) -> Sequence[Prediction]:
        """``LabelPrediction``; ``LabelsPrediction`` for several labels."""
        if self.several:
            return _classes.labels_predictions(self.labels, outputs, self.threshold)
        return _classes.label_predictions(self.labels, outputs)

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Classified``; ``Tagged`` for several labels."""
        if self.several:
            return _classes.tagged(self.labels, outputs, examples, self.threshold)
        return _classes.classified(self.labels, outputs, examples)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Accuracy first; micro F1 first for several labels."""
        return _classes.SEVERAL_LABELS if self.several else _classes.ONE_LABEL

    @property
    def baselines(self) -> tuple[str, ...]:
        """What a model must beat."""
        return ("majority", "tfidf-logistic-regression")

    def baseline_inputs(self, table: pa.Table) -> list[str]:
        """The texts."""
        return texts(table)

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """See ``Comparable``."""
        if not self.several:
            return _labels.encode_one(table, self.labels)
        return _labels.indicators(self._targets(table), len(self.labels))

    @property
    def _target(self) -> str:
        return "labels" if self.several else "label"

    def _targets(self, table: pa.Table) -> pa.Array:
        if self.several:
            return pa.array(_labels.encode_several(table, self.labels), pa.large_list(pa.int64()))
        return pa.array(_labels.encode_one(table, self.labels), pa.int64())

    def _numbers(self, examples: pa.Table) -> np.ndarray:
        if self.several:
            return _labels.indicators(examples["target"], len(self.labels)).astype(np.float32)
        return np.array(examples["target"].to_numpy())  # a copy: torch wants to own what it may write to

    def _length(self, base: Base) -> int:
        return _tokens.limit(base, self.length, _LENGTH)

    def _pooled(self, base: Base, pooling: Pooled, names: dict[str, object]) -> TaskModel:
        backbone = base.load(AutoModel, **names)
        model = PooledClassifier(backbone, base.card.width, pooling, self._length(base))
        model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        if not restore_head(model, base, self.labels):
            base.new_weights.extend(["classifier.weight", "classifier.bias"])
        return TaskModel(model, ("classifier",))
