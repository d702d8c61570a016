"""Traces the parts of a model in the order of their calls, and finds the first one that is not frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from dianji.adapt.layers import hold_still


@dataclass
class Call:
    """One call of one part: its time, its inputs, its output."""

    path: str
    began: int
    ended: int = -1
    inputs: dict[int | str, Tensor] = field(default_factory=dict)  # by place or name
    output: Any = None

    def around(self, moment: int) -> bool:
        """Whether the call was in progress then."""
        return self.began <= moment < self.ended


@dataclass(frozen=True)
class Trace:
    """All calls of one forward pass, in the order in which they began."""

    calls: list[Call]

    def of(self, path: str) -> list[Call]:
        """The calls of one part."""
        return [call for call in self.calls if call.path == path]


@torch.no_grad()
def trace(model: nn.Module, run: Callable[[], object]) -> Trace:
    """Record the calls of ``run``, which calls the model; outputs are kept of parts with frozen weights only."""
    calls: list[Call] = []
    going: list[Call] = []
    clock = iter(range(1 << 62))
    handles = []
    for path, module in model.named_modules():
        keep = frozen(module)

        def enter(_: nn.Module, args: Any, kwargs: Any, path: str = path) -> None:
            given = {**dict(enumerate(args)), **kwargs}
            tensors = {name: value for name, value in given.items() if isinstance(value, Tensor)}
            going.append(Call(path, next(clock), inputs=tensors))
            calls.append(going[-1])

        def leave(_: nn.Module, args: Any, output: Any, keep: bool = keep) -> None:
            call = going.pop()
            call.ended = next(clock)
            call.output = output if keep else None

        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return Trace(calls)


def frozen(module: nn.Module) -> bool:
    """Whether a part has weights and all of them are frozen."""
    learns = [parameter.requires_grad for parameter in module.parameters()]
    return bool(learns) and not any(learns)


def first_unsettled(model: nn.Module, found: Trace) -> list[Call]:
    """The first call in which a weight learns or dropout draws, then the calls around it, innermost first.

    A weight that learns belongs to its own module, or to the nearest one around it that is called: what is not called
    (a ``ParameterDict``, a layer that is used by its weight) is used by the one that holds it.
    """
    called = {call.path for call in found.calls}
    owners = {_owner(name, called) for name, parameter in model.named_parameters() if parameter.requires_grad}
    unsettled = owners | (_noisy(model) & called)
    first = next((call for call in found.calls if call.path in unsettled), None)
    if first is None:
        return []
    around = [call for call in found.calls if call is not first and call.around(first.began)]
    return [first, *reversed(around)]


def _owner(parameter: str, called: set[str]) -> str:
    path = parameter.rpartition(".")[0]
    while path and path not in called:
        path = path.rpartition(".")[0]
    return path


def _noisy(model: nn.Module) -> set[str]:
    """Paths of the dropouts that are on while training."""
    with evaluating(model):
        model.train()
        hold_still(model)
        drops = ((path, module) for path, module in model.named_modules() if isinstance(module, _DropoutNd))
        return {path for path, module in drops if module.training and module.p > 0}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode; afterwards each part has its earlier mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
