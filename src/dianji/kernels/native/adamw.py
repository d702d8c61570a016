"""AdamW in one pass over memory, and the norm of all gradients in another; torch's class, state and mathematics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dianji.kernels.native import library
from dianji.kernels.native.structs import PIECE, WEIGHT
from dianji.kernels.native.tiles import Copy
from dianji.sharded import is_sharded

MOMENTS = ("exp_avg", "exp_avg_sq")


class CompiledAdamW(torch.optim.AdamW):
    """``torch.optim.AdamW`` by compiled kernels, for what they know: contiguous fp32 weights on the CPU.

    State has torch's names and shapes, so that either goes on from the other's checkpoints. ``clip`` takes no pass over
    the gradients to scale them: the next step does. What products read in tiles, a step packs anew while it has the
    weight in a core's cache, if it is told of it.
    """

    _scale = 1.0
    _copies: Mapping[Tensor, Copy] = MappingProxyType({})
    _ready: Sequence[_Moved] = ()  # what the norm was taken of

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
        self._ready = [_Moved.of(group) for group in self.param_groups]
        table = np.concatenate([moved.table for moved in self._ready])
        work = np.empty(int((-(-table["count"] // PIECE)).sum()))
        squares = library.run("squares", table.ctypes.data, len(table), work.ctypes.data, torch.get_num_threads())
        norm = math.sqrt(squares)
        scale = most / (norm + 1e-6)
        self._scale = 1.0 if scale > 1 else scale  # what is not a number stays none
        return norm

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step over all groups."""
        loss = closure() if closure is not None else None
        ready, self._ready = self._ready, []
        if len(ready) != len(self.param_groups) or not all(moved.is_still_so() for moved in ready):
            ready = [_Moved.of(group) for group in self.param_groups]
        for group, moved in zip(self.param_groups, ready, strict=True):
            self._begin(moved)
            if library.DEBUG:
                self._check(moved)
            rate = float(group["lr"])
            library.run(
                "adamw",
                *(moved.table.ctypes.data, len(moved.table), rate, rate * group["weight_decay"], *group["betas"]),
                *(self._scale, group["eps"], torch.get_num_threads()),
            )
            self._note(moved)
        self._scale = 1.0
        return loss

    def _check(self, moved: _Moved) -> None:
        """All that the kernel walks through must be fp32, on the CPU, and laid out as its weight."""
        for parameter in moved.parameters:
            state = self.state[parameter]
            for name, tensor in {"weight": parameter, "grad": parameter.grad, **state}.items():
                like = tensor if name == "step" else parameter
                found = (tensor.dtype, tensor.device.type, tensor.shape, tensor.stride())
                if found != (torch.float32, "cpu", like.shape, like.stride()):
                    raise ValueError(f"{name} of a weight {tuple(parameter.shape)} is {found} for AdamW's kernel")

    def _note(self, moved: _Moved) -> None:
        """Tell autograd what was written to: a graph that still needs the weights as they were refuses to go back."""
        written = [self.state[parameter][name] for parameter in moved.parameters for name in (*MOMENTS, "step")]
        torch.autograd.graph.increment_version([*moved.parameters, *written])

    def _begin(self, moved: _Moved) -> None:
        """Tell the kernel of moments and copies.

        Moments are zero where there are none, and laid out as the weight whatever a checkpoint has; steps are fp32.
        """
        states, table = [self.state[parameter] for parameter in moved.parameters], moved.table
        for parameter, state in zip(moved.parameters, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state.update({name: torch.zeros_like(parameter) for name in MOMENTS})
            if state["step"].dtype != torch.float32:
                state["step"] = state["step"].float()
            for name in MOMENTS:
                moment = state[name]
                if (laid_out := _laid_out(moment, parameter)) is not moment:
                    state[name] = laid_out
        for column, name in zip(("first", "second", "steps"), (*MOMENTS, "step"), strict=True):
            table[column] = [state[name].data_ptr() for state in states]
        for number, parameter in enumerate(moved.parameters):
            if (copy := self._copies.get(parameter)) is not None:
                packed = copy.packed
                place = packed.forward.data_ptr(), packed.backward.data_ptr(), packed.into, copy.row, packed.out
                table[["forward", "backward", "in", "row", "rows"]][number] = place


@dataclass(frozen=True)
class _Moved:
    """What of a group has gradients, and those for the kernels; all else in the table is zero."""

    group: dict[str, Any]
    gradients: list[Tensor | None]  # of all that are in the group, laid out as the weights
    parameters: list[Tensor]
    table: np.ndarray

    @classmethod
    def of(cls, group: dict[str, Any]) -> _Moved:
        """What moves now."""
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        table = np.zeros(len(moved), WEIGHT)
        for parameter in moved:
            grad = _laid_out(parameter.grad, parameter)
            if grad is not parameter.grad:
                parameter.grad = grad
        table["weight"] = [parameter.data_ptr() for parameter in moved]
        table["grad"] = [parameter.grad.data_ptr() for parameter in moved]
        table["count"] = [parameter.numel() for parameter in moved]
        return cls(group, [parameter.grad for parameter in group["params"]], moved, table)

    def is_still_so(self) -> bool:
        """Whether the same weights have the same gradients."""
        now = self.group["params"]
        return len(now) == len(self.gradients) and all(
            one.grad is grad for one, grad in zip(now, self.gradients, strict=True)
        )


def knows(parameters: Sequence[Tensor]) -> bool:
    """Whether the kernels can be had, and can move all of these."""
    return all(_plain(parameter) for parameter in parameters) and library.available()


def _plain(parameter: Tensor) -> bool:
    """Numbers one after the other in memory, in whatever order of dimensions."""
    dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    return dense and parameter.device.type == "cpu" and parameter.dtype == torch.float32 and not is_sharded(parameter)


def _laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """The same numbers in the order of another tensor's memory."""
    alike = (tensor.is_contiguous() and like.is_contiguous()) or tensor.stride() == like.stride()
    if alike and tensor.dtype == like.dtype:
        return tensor
    return torch.empty_like(like).copy_(tensor)
