"""The weights that a run can change: what techniques copy, average and put back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dianji.sharded import copy_into
from dianji.techniques.base import Progress


def changing(progress: Progress) -> dict[str, Tensor]:
    """The model's live learning parameters and floating buffers (running statistics), by name, without gradient."""
    buffers = {name: buffer for name, buffer in progress.model.named_buffers() if buffer.is_floating_point()}
    return {name: parameter.detach() for name, parameter in progress.trainable.items()} | buffers


def overwrite(live: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy ``values`` into the tensors of the same names, in place."""
    for name, tensor in live.items():
        copy_into(tensor, values[name])
