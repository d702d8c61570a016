"""Texts as inputs of a classification, under a linear layer over the pooled backbone or the architecture's own head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from transformers import AutoModel, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from dianji.bases.base import Base, Pooling
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.tasks import _heads, _tokens
from dianji.tasks._pooled import PooledClassifier, restore_head
from dianji.tasks._rows import texts
from dianji.tasks._wrapper import require_tokens
from dianji.tasks.base import Batch, Purpose, TaskModel
from dianji.tasks.chain import Pooled

_LENGTH = 256  # tokens, unless the recipe says otherwise or the base takes fewer


@dataclass(frozen=True)
class Texts:
    """A column ``text``; the first ``length`` tokens of each are read.

    Args:
        length: by default 256, or the base's limit if that is less.
        pooling: mean of the tokens, first token, the architecture's own head (native), or what the base's card says.
            An architecture without a head of its own gets the mean.
    """

    length: int | None = None
    pooling: Literal["auto", "mean", "first", "native"] = "auto"

    @property
    def columns(self) -> Mapping[str, Column]:
        """``text``."""
        return {"text": Column("text")}

    @property
    def random(self) -> bool:
        """No."""
        return False

    @property
    def baselines(self) -> tuple[str, ...]:
        """Counted words."""
        return ("tfidf-logistic-regression", "tfidf-ridge")

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Nothing that the column does not show by itself."""

    def corpus(self, table: pa.Table) -> pa.Table:
        """The rows as they are."""
        return table

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def model(self, base: Base, names: dict[str, Any]) -> TaskModel:
        """A pooled head goes by the name ``classifier``, its backbone by ``backbone``."""
        pooling = self._pooling(base)
        if pooling == "native":
            if getattr(base.config, "pad_token_id", 0) is None:  # decoders look for the last real token by it
                names = {**names, "pad_token_id": _tokens.pad_id(base)}
            return _heads.own_classifier(base, AutoModelForSequenceClassification, names)
        return self._pooled(base, pooling, tuple(names["id2label"].values()))

    def encode(self, table: pa.Table, base: Base, targets: Mapping[str, pa.Array]) -> pa.Table:
        """``input_ids``, ``whole`` (int32): tokens of the whole text, more than ``length`` where it was truncated."""
        found, whole = _tokens.beginnings(texts(table), base, self._limit(base))
        return found.table(whole=pa.array(whole, pa.int32()), **targets)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``attention_mask`` (batch, longest)."""
        return _tokens.model_inputs(*_tokens.padded(examples["input_ids"], _tokens.pad_id(base)))

    def baseline_inputs(self, table: pa.Table) -> list[str]:
        """The texts."""
        return texts(table)

    def _pooling(self, base: Base) -> Pooling:
        if self.pooling != "auto":
            return self.pooling
        headless = type(base.config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING  # such as the text tower of CLIP
        return "mean" if base.card.pooling == "native" and headless else base.card.pooling

    def _limit(self, base: Base) -> int:
        return _tokens.limit(base, self.length, _LENGTH)

    def _pooled(self, base: Base, pooling: Pooled, labels: tuple[str, ...]) -> TaskModel:
        require_tokens(base)
        # With labels the configuration would promise a classifier, whose head transformers would draw at random.
        backbone = base.load(AutoModel, **_heads.no_labels())
        model = PooledClassifier(backbone, base.card.width, pooling, self._limit(base), labels)
        model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        if not restore_head(model, base):
            base.new_weights.extend(["classifier.weight", "classifier.bias"])
        return TaskModel(model, ("classifier",), library="sentence-transformers")
