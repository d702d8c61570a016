"""EMA: evaluate and keep an exponential moving average of the weights (Polyak & Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from dianji.registry import component
from dianji.techniques._weights import changing, overwrite
from dianji.techniques.base import Listener, Progress, State


@component("technique", "ema")
@dataclass(frozen=True)
class Ema:
    """After every step ``average = d * average + (1 - d) * weights``, with ``d = min(decay, (1 + t) / (10 + t))``.

    The smaller ``d`` of the first steps lets short runs forget where they started (as TensorFlow's
    ExponentialMovingAverage does). Evaluations see the average, and the finished model holds it. Costs one more copy of
    what learns, and a second one while an evaluation lasts.
    """

    order: ClassVar[int] = 10  # before early stopping, whose best weights are averages too

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.999

    def start(self, progress: Progress) -> Listener:
        """A listener whose average starts at the model's present weights."""
        return _Averaging(self.decay, progress)


class _Averaging(Listener):
    def __init__(self, decay: float, progress: Progress) -> None:
        self._decay = decay
        self._live = changing(progress)
        self._average: dict[str, Tensor] = {name: tensor.clone() for name, tensor in self._live.items()}
        self._updates = 0

    def begin(self, progress: Progress) -> None:
        overwrite(self._average, self._live)  # techniques before this one may have set the first weights

    @torch.no_grad()
    def after_step(self, progress: Progress) -> None:
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(list(self._average.values()), list(self._live.values()), 1 - decay)
        self._updates += 1

    @contextmanager
    def evaluating(self, progress: Progress) -> Iterator[None]:
        trained = {name: tensor.clone() for name, tensor in self._live.items()}
        overwrite(self._live, self._average)
        try:
            yield
        finally:
            overwrite(self._live, trained)

    def finish(self, progress: Progress) -> None:
        overwrite(self._live, self._average)

    def state(self) -> State:
        return State(dict(self._average), {"updates": self._updates})

    def restore(self, state: State) -> None:
        overwrite(self._average, state.tensors)
        self._updates = int(state.values["updates"])
