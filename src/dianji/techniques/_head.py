"""The head's last linear layer, and what goes in and out of it: one vector per row, whatever the architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dianji.errors import CapabilityError
from dianji.tasks.base import ITEMS
from dianji.techniques.base import Progress


@dataclass
class Caught:
    """What the layer saw in its newest forward pass, in fp32."""

    #: (rows, width), or (rows, time, width) where a decoder scores every position.
    inputs: Tensor = field(default_factory=lambda: torch.empty(0))
    #: (rows, labels), or (rows, time, labels).
    outputs: Tensor = field(default_factory=lambda: torch.empty(0))


def last_linear(progress: Progress, technique: str) -> tuple[str, nn.Linear]:
    """Name and module of the layer that gives the logits.

    Raises:
        CapabilityError: the head has no linear layer.
    """
    found = [
        (name, module)
        for name, module in progress.model.named_modules()
        if isinstance(module, nn.Linear) and any(name == one or name.startswith(one + ".") for one in progress.head)
    ]
    if not found:
        raise CapabilityError(
            f"{technique} works on a head that ends in a linear layer; {type(progress.model).__name__} has none in its "
            f"head ({', '.join(progress.head) or 'it has no head'}). Take {technique} out of the stage's techniques."
        )
    return found[-1]


@contextmanager
def caught(layer: nn.Linear) -> Iterator[Caught]:
    """While active, every forward pass of ``layer`` leaves its inputs and outputs in what is given."""
    seen = Caught()

    def keep(_: nn.Module, inputs: tuple[Any, ...], outputs: Tensor) -> None:
        seen.inputs, seen.outputs = inputs[0].float(), outputs.float()

    handle = layer.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def of_rows(values: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """(rows, anything) of what the head is asked about: a vector per example, or per item where a batch names items.

    Of values for every position of examples without items, those of the last real token, which decoders classify by.
    """
    if values.dim() == 2:
        return values
    if ITEMS in batch:
        items = batch[ITEMS]
        return values[items] if values.shape[:2] == items.shape else values.flatten(0, 1)  # the head saw items alone
    mask = batch["attention_mask"]
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    return values[torch.arange(len(values), device=values.device), last]


def targets_of(batch: Mapping[str, Tensor]) -> Tensor | None:
    """The targets in the order of ``of_rows``; None where a batch has none."""
    targets = batch.get("labels")
    return targets[batch[ITEMS]] if targets is not None and ITEMS in batch else targets
