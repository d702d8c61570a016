"""Dropout as bits: a mask is drawn once, sixteen bits an element, and laid over tensors by ``and``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dianji.kernels.random_bits import LEAST_RATE, LEVELS, bits


@dataclass(frozen=True)
class Noise:
    """Dropout at a rate; nothing happens at rate 0.

    The rate is rounded to a multiple of 2^-16 and the scale follows the rounded one, so that the mean is exact.

    Args:
        rate: in [0, 1).
        places: int64 (rows,), where packed rows would lie among padded ones, whose masks they get.
    """

    rate: float
    places: Tensor | None = None

    @property
    def scale(self) -> float:
        """What keeps the mean: 1 / (1 - rate)."""
        return LEVELS / (LEVELS - round(self.rate * LEVELS)) if self.on else 1.0

    @property
    def on(self) -> bool:
        """Whether anything is dropped."""
        return self.rate >= LEAST_RATE

    def draw(self, shape: torch.Size) -> Tensor | None:
        """int16: all bits of an element that stays, none of one that is dropped; None where all stay."""
        return bits(shape, self.rate) if self.on else None

    def apply(self, tensor: Tensor, kept: Tensor | None) -> Tensor:
        """``tensor`` with zeros where dropped, the rest scaled. Its own transpose, so gradients pass by it too."""
        return tensor if kept is None else self.mask(tensor, kept).mul_(self.scale)

    def mask(self, tensor: Tensor, kept: Tensor | None) -> Tensor:
        """``apply`` without the scale."""
        if kept is None:
            return tensor
        whole = torch.int32 if tensor.dtype == torch.float32 else torch.int16
        return (tensor.view(whole) & kept.to(whole)).view(tensor.dtype)
