"""A model that several processes run together on one batch whose loss needs the answers to all of its rows.

Every process holds the whole batch, runs the model on every ``count``-th row, and receives the outputs for the others.
Then each of them computes the same loss of the whole batch. A process has gradients for its own rows only; the sum
over the processes is the gradient of that loss. Because every process reports the loss of all rows, the sum is divided
by ``count`` times too many items, so gradients are multiplied by ``count`` on their way back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dianji.errors import CapabilityError


class Gatherer(Protocol):
    """The group of processes that train together, as far as a loss over gathered rows needs it."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def rank(self) -> int:
        """Which one this is."""
        ...

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, which have one shape, in the order of their ranks."""
        ...


class Gathered(nn.Module):
    """``model``, whose outputs for all rows of a batch come from all processes. Holds no weights of its own."""

    def __init__(self, model: nn.Module, processes: Gatherer) -> None:
        super().__init__()
        self.__dict__["_model"] = model  # not as a submodule: its names stay those of the model
        self._processes = processes

    def forward(self, *args: Tensor, **inputs: Tensor) -> Any:
        """The output of the model (a tensor, or one of transformers' outputs) for all rows.

        Raises:
            CapabilityError: inputs or outputs are not one entry per row.
        """
        rows = _rows([*args, *inputs.values()])
        rank, count = self._processes.rank, self._processes.count
        mine = slice(rank, None, count) if rank < rows else slice(0, 1)  # all take part in what is sent
        found = self.__dict__["_model"](
            *(tensor[mine] for tensor in args), **{name: tensor[mine] for name, tensor in inputs.items()}
        )
        if isinstance(found, Tensor):
            return self._all(found, rows)
        return type(found)(**{name: self._all(tensor, rows) for name, tensor in found.items()})

    def _all(self, tensor: Tensor, rows: int) -> Tensor:
        expected = len(range(self._processes.rank, rows, self._processes.count)) or 1
        if len(tensor) != expected:
            raise CapabilityError(
                f"the model gives {len(tensor)} outputs for {expected} rows, so the outputs of several processes "
                "cannot be joined. Train in one process."
            )
        gathered: Tensor = _Gather.apply(tensor, self._processes, rows)  # type: ignore[no-untyped-call]  # torch's
        return gathered


class _Gather(torch.autograd.Function):
    """(own rows, …) to (rows, …)."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, processes: Gatherer, rows: int) -> Tensor:
        count, most = processes.count, -(-rows // processes.count)
        ctx.place = slice(processes.rank, None, count)
        ctx.count, ctx.own = count, own.shape
        padded = own.new_zeros((most, *own.shape[1:]))
        padded[: len(own)] = own
        whole = own.new_empty((rows, *own.shape[1:]))
        for rank, part in enumerate(processes.all_gather(padded)):
            place = whole[rank::count]
            place.copy_(part[: len(place)])
        return whole

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        own = grad.new_zeros(ctx.own)
        mine = grad[ctx.place]
        own[: len(mine)] = mine * ctx.count
        return own, None, None


def _rows(inputs: Sequence[Tensor]) -> int:
    rows = {len(tensor) if tensor.dim() else 0 for tensor in inputs}
    if len(rows) != 1 or 0 in rows:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise CapabilityError(
            f"the task gives the model inputs that are not rows of equal number ({shapes}), so they cannot be divided "
            "among several processes. Train in one process."
        )
    return rows.pop()
