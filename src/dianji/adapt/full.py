"""Full fine-tuning: every weight learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from transformers import PreTrainedModel

from dianji.adapt.layers import let_learn
from dianji.registry import component
from dianji.tasks.base import TaskModel


@component("adaptation", "full")
@dataclass(frozen=True)
class Full:
    """Every weight of the base and of the head learns."""

    learning_rate_factor: ClassVar[float] = 1.0

    def attach(self, model: TaskModel) -> None:
        """Unfreeze everything."""
        let_learn(model, lambda name: True)

    def merge(self, model: PreTrainedModel) -> None:
        """Nothing was inserted."""

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """There are no extra parts."""
