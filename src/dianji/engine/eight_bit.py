"""torchao's AdamW with 8-bit moments, adapted to the interface of torch's optimizers. Needs the extra ``memory``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torchao.optim import AdamW8bit
from torchao.optim.subclass_8bit import OptimState8bit

#: The parts of a quantized moment, as ``name.part`` beside each other in a state dictionary.
_PARTS = ("codes", "scale", "qmap")
_SIGNED = {"exp_avg": True, "exp_avg_sq": False}


class EightBitAdamW(AdamW8bit):  # type: ignore[misc]  # torchao is untyped
    """Learning rates are numbers, and the state consists of plain tensors, so that it can be saved without a pickle.

    On a CPU its kernel runs as it is written: torchao would compile it anew for every shape of a weight, which takes
    minutes and a compiler.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch: ``lr`` stays a number."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        group["lr"] = float(group["lr"])

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; torchao wants rates as tensors while it lasts."""
        rates = [group["lr"] for group in self.param_groups]
        on_cpu = all(weight.device.type == "cpu" for group in self.param_groups for weight in group["params"])
        try:
            for group in self.param_groups:
                group["lr"] = torch.tensor(group["lr"], dtype=torch.float32)
            with torch.compiler.set_stance("force_eager") if on_cpu else nullcontext():
                found: float | None = super().step(closure)
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate
        return found

    def state_dict(self) -> dict[str, Any]:
        """As torch, with ``exp_avg.codes``, ``exp_avg.scale`` … in the place of a quantized ``exp_avg``."""
        found: dict[str, Any] = super().state_dict()
        return {**found, "state": {index: _taken_apart(entries) for index, entries in found["state"].items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of ``state_dict``."""
        state = {index: _put_together(entries) for index, entries in state_dict["state"].items()}
        super().load_state_dict({**state_dict, "state": state})


def _taken_apart(entries: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in entries.items():
        if isinstance(value, OptimState8bit):
            plain.update({f"{name}.{part}": getattr(value, part) for part in _PARTS})
        else:
            plain[name] = value
    return plain


def _put_together(entries: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {name: value for name, value in entries.items() if "." not in name}
    for name in {name.partition(".")[0] for name in entries if "." in name}:
        parts: list[Tensor] = [entries[f"{name}.{part}"] for part in _PARTS]
        made[name] = OptimState8bit(*parts, signed=_SIGNED[name], dtype=torch.float32)
    return made
