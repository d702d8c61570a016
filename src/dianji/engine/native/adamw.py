"""AdamW in one pass over memory, and the norm of all gradients in another; torch's class, state and mathematics."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dianji.divided import divided
from dianji.engine.native.build import built
from dianji.engine.native.tiles import Copy

PIECE = 16384  # as in kernels.c
MOMENTS = ("exp_avg", "exp_avg_sq")

#: Struct Weight of kernels.c.
WEIGHT = np.dtype(
    [
        *((name, np.uintp) for name in ("weight", "grad", "first", "second")),
        ("count", np.int_),
        *((name, np.float32) for name in ("rate", "leaves", "root")),
        *((name, np.uintp) for name in ("forward", "backward")),
        *((name, np.int_) for name in ("into", "row", "rows")),
    ],
    align=True,
)


class CompiledAdamW(torch.optim.AdamW):
    """``torch.optim.AdamW`` by compiled kernels, for what they know: contiguous fp32 weights on the CPU.

    State has torch's names and shapes, so that either goes on from the other's checkpoints. ``clip`` takes no pass over
    the gradients to scale them: the next step does. What products read in tiles, a step packs anew while it has the
    weight in a core's cache, if it is told of it.
    """

    _scale = 1.0
    _copies: Mapping[Tensor, Copy] = MappingProxyType({})

    @contextmanager
    def packing(self, copies: Mapping[Tensor, Copy]) -> Iterator[None]:
        """Inside, a step keeps these copies of weights as the weights are; of all that have a gradient."""
        self._copies = copies
        try:
            yield
        finally:
            self._copies = MappingProxyType({})

    def clip(self, most: float) -> float:
        """Let the next step count gradients so that their norm is at most ``most``; returns the norm as it is.

        As ``torch.nn.utils.clip_grad_norm_``, but the gradients stay what they are.
        """
        table = np.concatenate([_table(_moved(group)) for group in self.param_groups])
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
            table = self._begin(group, _moved(group))
            beta1, beta2 = group["betas"]
            _function("adamw")(
                *_address(table),
                *(ctypes.c_float(value) for value in (self._scale, beta1, beta2, group["eps"])),
                torch.get_num_threads(),
            )
        self._scale = 1.0
        return loss

    def _begin(self, group: dict[str, Any], moved: list[Tensor]) -> np.ndarray:
        """A step more, and all that the kernel is told of it.

        Moments are zero where there are none, and laid out as the weight whatever a checkpoint has.
        """
        table, states = _table(moved), [self.state[parameter] for parameter in moved]
        if not moved:
            return table
        for parameter, state in zip(moved, states, strict=True):
            if not state:
                state["step"] = torch.zeros(())
                state.update({name: torch.zeros_like(parameter) for name in MOMENTS})
            for name in MOMENTS:
                moment = state[name]
                if (laid_out := _laid_out(moment, parameter)) is not moment:
                    state[name] = laid_out
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        step = torch.stack(steps).double().numpy()
        (beta1, beta2), rate = group["betas"], float(group["lr"])
        table["first"], table["second"] = ([state[name].data_ptr() for state in states] for name in MOMENTS)
        table["rate"], table["leaves"] = rate / (1 - beta1**step), 1 - rate * group["weight_decay"]
        table["root"] = 1 / np.sqrt(1 - beta2**step)
        for number, parameter in enumerate(moved):
            if (copy := self._copies.get(parameter)) is not None:
                packed = copy.packed
                told = packed.forward.data_ptr(), packed.backward.data_ptr(), packed.into, copy.row, packed.out
                table[["forward", "backward", "into", "row", "rows"]][number] = told
        return table


def _moved(group: dict[str, Any]) -> list[Tensor]:
    return [parameter for parameter in group["params"] if parameter.grad is not None]


def _table(moved: Sequence[Tensor]) -> np.ndarray:
    """Weights and their gradients for the kernels; the rest is zero."""
    table = np.zeros(len(moved), WEIGHT)
    for parameter in moved:
        grad = _laid_out(parameter.grad, parameter)  # type: ignore[arg-type]  # there is one
        if grad is not parameter.grad:
            parameter.grad = grad  # which keeps it while the kernel reads it
    table["weight"] = [parameter.data_ptr() for parameter in moved]
    table["grad"] = [parameter.grad.data_ptr() for parameter in moved]  # type: ignore[union-attr]  # as above
    table["count"] = [parameter.numel() for parameter in moved]
    return table


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
    alike = (tensor.is_contiguous() and like.is_contiguous()) or tensor.stride() == like.stride()
    if alike and tensor.dtype == like.dtype:
        return tensor
    return torch.empty_like(like).copy_(tensor)


def _function(name: str) -> Any:
    return getattr(built().library, name)


def _address(table: np.ndarray) -> tuple[ctypes.c_void_p, ctypes.c_long]:
    return table.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(len(table))
