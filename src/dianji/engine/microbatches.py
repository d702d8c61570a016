"""Out of memory: repeats the step with smaller micro-batches, and uses them from then on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dianji.engine.state import Position
from dianji.errors import TrainingError
from dianji.reporting import Reporter

Answer = TypeVar("Answer")

#: What allocators say where they have no error of their own.
_MESSAGES = ("DefaultCPUAllocator: can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class MicroBatches:
    """Cuts the micro-batches of each step into ``position.division`` parts, and doubles that when memory runs out.

    Losses are means over items and gradients are summed per item, so a finer division is the same mathematics. Random
    draws are not the same: each micro-batch has a seed of its own, as under ``accumulate``. Where a model normalises
    over the batch, statistics are those of smaller batches; that is said. The division is part of a checkpoint, so
    that a resumed run goes on as the uninterrupted one. ``coupled`` batches are never cut.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        position: Position,
        reporter: Reporter,
        processes: int = 1,
        *,
        coupled: bool = False,
    ) -> None:
        self._name = name
        self._model = model
        self._position = position
        self._reporter = reporter
        self._processes = processes
        self._coupled = coupled

    def attempt(self, batches: Sequence[np.ndarray], passes: Callable[[list[np.ndarray]], Answer]) -> Answer:
        """The result of ``passes`` (forward and backward) for a step's micro-batches, as finely cut as memory requires.

        ``passes`` is called again from the start: gradients are dropped and buffers are put back before.

        Raises:
            TrainingError: memory is too small for a single example.
        """
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        while True:
            parts = cut(batches, self._position.division)
            try:
                return passes(parts)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                reason = str(error).partition("\n")[0]
            # Outside the handler: while it runs, the error's frames hold the activations.
            self._forget(buffers)
            self._divide(max(map(len, parts)), reason)

    def _forget(self, buffers: list[tuple[Tensor, Tensor]]) -> None:
        self._model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _divide(self, largest: int, reason: str) -> None:
        advice = (
            "Use gradient_checkpointing: true, a shorter task length, fewer layers that learn (adapt: lora, "
            "last-layers) or a smaller base"
        )
        if largest <= 1:
            raise TrainingError(
                f"stage {self._name}: memory is too small for a forward and backward pass of one example "
                f"({reason:.200}). {advice}; or free memory, and run the same command again."
            )
        if self._coupled:
            raise TrainingError(
                f"stage {self._name}: memory is too small for {largest} examples in one pass ({reason:.200}). The loss "
                "of each example depends on the others of its batch, so a batch is not divided. Lower the number of "
                f"examples that the task computes at a time, if it has such an argument, or train.batch_size. {advice}."
            )
        if self._processes > 1:
            raise TrainingError(
                f"stage {self._name}: memory is too small for {largest} examples in one pass ({reason:.200}). With "
                f"several processes micro-batches are not cut by themselves: halve train.batch_size (or batch_tokens) "
                f"and double train.accumulate. {advice}."
            )
        self._position.division *= 2
        statistics = any(getattr(module, "running_mean", None) is not None for module in self._model.modules())
        changed = (
            " Its batch normalisation now sees smaller batches, which changes what it learns." if statistics else ""
        )
        self._reporter.warn(
            f"{self._name}: out of memory with {largest} examples in one pass; from here on each micro-batch is taken "
            f"in {self._position.division} parts, with the same gradients up to rounding.{changed} To save the time of "
            "finding out, lower train.batch_size and raise train.accumulate."
        )


def cut(batches: Sequence[np.ndarray], division: int) -> list[np.ndarray]:
    """Each batch in so many parts of nearly equal size, in order; a batch with fewer examples in single ones."""
    if division == 1:
        return list(batches)
    return [part for batch in batches for part in np.array_split(batch, min(division, len(batch)))]


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocator, on whatever device, had nothing left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)
