"""LoRA: low-rank additions to frozen weights (Hu et al., 2021, arXiv:2106.09685), through peft."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from dianji.adapt import _lora
from dianji.adapt.layers import let_learn, trunk_of
from dianji.registry import component
from dianji.tasks.base import TaskModel


@component("adaptation", "lora")
@dataclass(frozen=True)
class Lora:
    """Beside each target weight learns a product of two thin matrices, scaled by ``alpha / rank``.

    The parts are drawn from torch's global generator, which the caller has seeded. ``targets`` are names of layers,
    such as ``query``, or ends of their paths; null: the attention's usual ones, by architecture.
    """

    #: The best rate is about ten times that of full fine-tuning, whatever the rank (Schulman et al., 2025, "LoRA
    #: Without Regret").
    learning_rate_factor: ClassVar[float] = 10.0

    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] | None = None

    def attach(self, model: TaskModel) -> None:
        """Insert the parts into the trunk; they and the head learn, everything else is frozen.

        Raises:
            CapabilityError: no layer fits; says what was looked for.
        """
        # peft takes a second to import, and listing adaptations should not.
        from peft import LoraConfig, inject_adapter_in_model

        trunk = trunk_of(model.model)
        layers = _lora.layers_to_adapt(model, self.targets)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=sorted(layers),
            fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
        )
        before = {id(parameter) for parameter in model.model.parameters()}
        inject_adapter_in_model(config, trunk)
        _lora.keep_dilation(trunk)
        added = {name for name, parameter in model.model.named_parameters() if id(parameter) not in before}
        let_learn(model, added.__contains__)

    def merge(self, model: PreTrainedModel) -> None:
        """Add each product to its weight and take the parts out; names are the architecture's own again.

        Raises:
            CapabilityError: a merged weight would not be a number.
        """
        _lora.merge(trunk_of(model))

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``; ``PeftModel.from_pretrained`` opens them.

        The keys are those of the model that transformers' Auto class loads. Where the head is part of that model it is
        in the files too; the head of a wrapper around a backbone is not.
        """
        _lora.save(trunk_of(model), folder)
