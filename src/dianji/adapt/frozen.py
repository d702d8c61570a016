"""Linear probing: the base stays as it is, only the head learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from transformers import PreTrainedModel

from dianji.adapt.layers import let_learn
from dianji.errors import CapabilityError
from dianji.registry import component
from dianji.tasks.base import TaskModel


@component("adaptation", "frozen")
@dataclass(frozen=True)
class Frozen:
    """Only the head learns.

    The trunk runs as it does when it predicts, without dropout, so that what it says of an example can be kept.
    """

    head_only: ClassVar[bool] = True

    #: A head alone is a convex problem that stands far larger steps than a trunk which must not forget. Measured on
    #: BANKING77 with all-MiniLM-L6-v2: 0.924 with 50, 0.900 with 5.
    learning_rate_factor: ClassVar[float] = 50.0

    def attach(self, model: TaskModel) -> None:
        """Freeze all but the head.

        Raises:
            CapabilityError: the model has no head with weights.
        """
        let_learn(model, lambda name: False)
        if not any(parameter.requires_grad for parameter in model.model.parameters()):
            raise CapabilityError(
                f"{type(model.model).__name__} has no weights in its head ({', '.join(model.head) or 'none named'}), "
                "so with adapt: frozen nothing would learn. Use adapt: full, last-layers or lora."
            )

    def merge(self, model: PreTrainedModel) -> None:
        """Nothing was inserted."""

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """There are no extra parts."""
