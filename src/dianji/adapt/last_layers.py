"""Partial fine-tuning: the last layers and the head learn (Howard & Ruder, 2018, arXiv:1801.06146, among others)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field
from transformers import PreTrainedModel

from dianji.adapt.layers import after_stack, find_stack, let_learn
from dianji.errors import CapabilityError
from dianji.registry import component
from dianji.tasks.base import TaskModel


@component("adaptation", "last-layers")
@dataclass(frozen=True)
class LastLayers:
    """The last ``layers`` layers, what follows them (final norm, pooler) and the head learn; embeddings never do.

    A layer is a member of the model's outermost stack: a block of a transformer, a stage of a ResNet.
    """

    learning_rate_factor: ClassVar[float] = 1.0

    layers: Annotated[int, Field(ge=1)] = 1

    def attach(self, model: TaskModel) -> None:
        """Freeze all but the end of the model.

        Raises:
            CapabilityError: the model has no stack of layers, or fewer layers than asked for.
        """
        stack = find_stack(model)
        if self.layers > len(stack.layers):
            raise CapabilityError(
                f"last-layers: {self.layers} layers are asked for, but '{stack.name}' of {type(model.model).__name__} "
                f"has {len(stack.layers)}. Give layers: {len(stack.layers)} or less, or use adapt: full."
            )
        # By identity, since a layer's parameters carry the full path of the stack in their names.
        chosen = {id(p) for layer in stack.layers[-self.layers :] for p in layer.parameters()}
        names = {name for name, parameter in model.model.named_parameters() if id(parameter) in chosen}
        learning = names | after_stack(model, stack)
        let_learn(model, learning.__contains__)

    def merge(self, model: PreTrainedModel) -> None:
        """Nothing was inserted."""

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """There are no extra parts."""
