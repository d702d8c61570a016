"""Frozen features of rows: the last hidden states of a base without training, averaged."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
from torch import Tensor, nn
from transformers import AutoModel

from dianji.bases.base import Base
from dianji.engine.evaluation import Evaluator
from dianji.engine.runtime import make_runtime
from dianji.reporting import Meter
from dianji.tasks._pooled import mean
from dianji.tasks.base import Batch, Outputs, Task


class Pooling:
    """Takes the place of a task where only the backbone's averaged states are needed."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.collate = task.collate

    def outputs(self, model: nn.Module, batch: Batch) -> Outputs:
        """``features`` (examples, width) fp32: the mean over real tokens, patches or places."""
        inputs = self._task.model_inputs(batch)
        hidden = model(**inputs).last_hidden_state.float()
        return {"features": average(hidden, batch.get("attention_mask")).cpu().numpy()}

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """The mean over the examples of each row."""
        rows = examples["row"].to_numpy()
        total = np.zeros((int(rows.max(initial=-1)) + 1, outputs["features"].shape[1]), dtype=np.float32)
        np.add.at(total, rows, outputs["features"])
        return {"features": total / np.bincount(rows)[:, None].astype(np.float32)}


def frozen_features(task: Task, base: Base, table: pa.Table, meter: Meter) -> np.ndarray:
    """(rows, width) fp32, computed in full precision; ``task`` is fitted, so that it can encode the rows."""
    examples = task.encode(table, base)
    backbone = base.load(AutoModel)
    make_runtime("fp32").place(backbone)
    found = Evaluator(cast(Task, Pooling(task)), backbone, base, 0).outputs(examples, "score", meter)["features"]
    return np.asarray(found)


def average(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """States of tokens or patches (batch, time, width) or maps (batch, channels, height, width), averaged."""
    if hidden.dim() == 4:
        return hidden.mean(dim=(2, 3))
    return hidden.mean(dim=1) if mask is None else mean(hidden, mask)
