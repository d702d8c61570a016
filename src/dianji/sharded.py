"""Tensors of which each process holds a part (torch's DTensor), beside whole tensors."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds only a part. Imports nothing that only sharded tensors need."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, on every process; all processes must call this in the same order."""
    return cast(Tensor, tensor.full_tensor()) if is_sharded(tensor) else tensor  # type: ignore[attr-defined]  # a DTensor


@torch.no_grad()
def copy_into(target: Tensor, source: Tensor) -> None:
    """``target.copy_(source)``; from a whole source, a sharded target takes this process's part."""
    if is_sharded(target) and not is_sharded(source):
        from torch.distributed.tensor import DTensor, distribute_tensor

        like = cast(DTensor, target)
        # No source rank: every process has the whole, so nothing needs to be sent.
        source = distribute_tensor(source.to(target.device), like.device_mesh, like.placements, src_data_rank=None)
    target.copy_(source)
