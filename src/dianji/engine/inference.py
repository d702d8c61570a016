"""Runs a trained model in a chosen precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dianji.engine.runtime import Precision, choose_precision
from dianji.kernels.layers.fast import FastLayers, find_fast_layers


class Inference:
    """The precision and the layers with which one model computes its answers.

    In fp32 they are computed as they were evaluated, operation by operation. In bf16 matrix products are rounded and
    layers take their fast form: several times as fast where the hardware is built for it, equal within the rounding.

    Args:
        model: in evaluation mode; its weights stay in fp32.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the hardware has it.

    Raises:
        CapabilityError: the precision is not to be had here.
    """

    def __init__(self, model: nn.Module, precision: str) -> None:
        self.precision: Precision = choose_precision(precision)
        self._device = next(model.parameters()).device
        self._fast_layers = FastLayers() if self.precision == "fp32" else find_fast_layers(model, self._device)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Around forward passes."""
        if self.precision == "fp32":
            yield
            return
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float16
        with torch.autocast(self._device.type, kind), self._fast_layers.on():
            yield
