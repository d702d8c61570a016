"""Early stopping: end when the validation score no longer improves, and keep the best weights (Prechelt, 1998)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from dianji.registry import component
from dianji.techniques._weights import changing, overwrite
from dianji.techniques.base import Listener, Progress, Scores, State


@component("technique", "early-stopping")
@dataclass(frozen=True)
class EarlyStopping:
    """Stops after ``patience`` evaluations in a row whose primary metric is not better than the best one so far.

    Better means by more than ``minimum_delta``, in the metric's own units. The finished model holds the weights of the
    best evaluation, also where the run reached its end. The copy is kept in main memory.
    """

    order: ClassVar[int] = 90  # picks the final weights, so it finishes last

    patience: Annotated[int, Field(ge=1)] = 3
    minimum_delta: Annotated[float, Field(ge=0)] = 0.0

    def start(self, progress: Progress) -> Listener:
        """A listener that has seen no evaluation."""
        return _Watching(self, progress)


class _Watching(Listener):
    def __init__(self, technique: EarlyStopping, progress: Progress) -> None:
        self._technique = technique
        self._live = changing(progress)
        self._best: dict[str, Tensor] = {}
        self._score: float | None = None
        self._waited = 0

    def after_evaluation(self, progress: Progress, scores: Scores) -> None:
        if self._improves(scores):
            self._score, self._waited = scores.primary, 0
            # Called inside every ``evaluating``, so these are the weights that were scored, averaged ones included.
            self._best = {name: tensor.to("cpu", copy=True) for name, tensor in self._live.items()}
            return
        self._waited += 1
        if self._waited >= self._technique.patience:
            best = "no evaluation gave a number" if self._score is None else f"best {self._score:.4g}"
            progress.stop(f"early stopping: {self._waited} evaluations without improvement, {best}")

    def finish(self, progress: Progress) -> None:
        if self._best:
            overwrite(self._live, self._best)

    def state(self) -> State:
        return State(dict(self._best), {"score": self._score, "waited": self._waited})

    def restore(self, state: State) -> None:
        self._best = {name: tensor.to("cpu", copy=True) for name, tensor in state.tensors.items()}
        self._score, self._waited = state.values["score"], int(state.values["waited"])

    def _improves(self, scores: Scores) -> bool:
        if math.isnan(scores.primary):
            return False
        if self._score is None:
            return True
        gain = scores.primary - self._score if scores.higher_is_better else self._score - scores.primary
        return gain > self._technique.minimum_delta
