"""AdamW in one pass over memory, and the norm of all gradients in another; torch's class, state and mathematics."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dianji.divided import divided
from dianji.engine.native.build import built

PIECE = 16384  # as in kernels.c
MOMENTS = ("exp_avg", "exp_avg_sq")

#: Struct Weight of kernels.c.
WEIGHT = np.dtype(
    [
        *((name, np.uintp) for name in ("weight", "grad", "first", "second")),
        ("count", np.int_),
        *((name, np.float32) for name in ("rate", "leaves", "root")),
    ],
    align=True,
)


class CompiledAdamW(torch.optim.AdamW):
    """``torch.optim.AdamW`` by compiled kernels, for what they know: contiguous fp32 weights on the CPU.

    State has torch's names and shapes, so that either goes on from the other's checkpoints. ``clip`` takes no pass over
    the gradients to scale them: the next step does.
    """

    _scale = 1.0

    def clip(self, most: float) -> float:
        """Let the next step count gradients so that their norm is at most ``most``; returns the norm as it is.

        As ``torch.nn.utils.clip_grad_norm_``, but the gradients stay what they are.
        """
        parts = [self._table(group, [p for p in group["params"] if p.grad is not None]) for group in self.param_groups]
        table = np.concatenate(parts)
        work = np.empty(int((-(-table["count"] // PIECE)).sum()))
        squares = _function("squares")
        squares.restype = ctypes.c_double
        norm = math.sqrt(squares(*_address(table), work.ctypes.data_as(ctypes.c_void_p), torch.get_num_threads()))
        scale = most / (norm + 1e-6)
        self._scale = 1.0 if scale > 1 else scale  # what is not a number stays none
        return norm

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step over all groups."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in moved:
                self._begin(parameter)
            table = self._table(group, moved)
            beta1, beta2 = group["betas"]
            _function("adamw")(
                *_address(table),
                *(ctypes.c_float(value) for value in (self._scale, beta1, beta2, group["eps"])),
                torch.get_num_threads(),
            )
        self._scale = 1.0
        return loss

    def _begin(self, parameter: Tensor) -> None:
        """A step more; moments are zero where there are none, and laid out as the weight whatever a checkpoint has."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state.update({name: torch.zeros_like(parameter) for name in MOMENTS})
        state.update({name: _laid_out(state[name], parameter) for name in MOMENTS})
        state["step"] += 1

    def _table(self, group: dict[str, Any], moved: list[Tensor]) -> np.ndarray:
        """What the kernels are told of weights and their gradients; moments are missing before the first step."""
        (beta1, beta2), rate, decay = group["betas"], float(group["lr"]), group["weight_decay"]
        rows = []
        for parameter in moved:
            state = self.state.get(parameter, {})
            step = max(1, int(state.get("step", 0)))
            moments = [state[name].data_ptr() if state else 0 for name in MOMENTS]
            corrections = rate / (1 - beta1**step), 1 - rate * decay, 1 / math.sqrt(1 - beta2**step)
            grad = _laid_out(parameter.grad, parameter)  # type: ignore[arg-type]  # those without one were left out
            parameter.grad = grad  # which keeps it while the kernel reads it
            rows.append((parameter.data_ptr(), grad.data_ptr(), *moments, parameter.numel(), *corrections))
        return np.array(rows, WEIGHT)


def knows(parameters: Sequence[Tensor]) -> bool:
    """Whether the kernels can be had, and can move all of these."""
    return all(_plain(parameter) for parameter in parameters) and built().library is not None


def _plain(parameter: Tensor) -> bool:
    """Numbers one after the other in memory, in whatever order of dimensions."""
    dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    return dense and parameter.device.type == "cpu" and parameter.dtype == torch.float32 and not divided(parameter)


def _laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """The same numbers in the order of another tensor's memory."""
    alike = tensor.stride() == like.stride() or (tensor.is_contiguous() and like.is_contiguous())
    if alike and tensor.dtype == like.dtype:
        return tensor
    return torch.empty_like(like).copy_(tensor)


def _function(name: str) -> Any:
    return getattr(built().library, name)


def _address(table: np.ndarray) -> tuple[ctypes.c_void_p, ctypes.c_long]:
    return table.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(len(table))
