"""R-Drop: two passes with different dropout are to agree (Liang et al., 2021, arXiv:2106.14448)."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from dianji.errors import CapabilityError
from dianji.registry import component
from dianji.tasks.base import Loss
from dianji.techniques._head import caught, last_linear, of_rows, targets_of
from dianji.techniques.base import Listener, Progress, Step


@component("technique", "r-drop")
@dataclass(frozen=True)
class RDrop:
    """Every batch goes through the model twice: mean of both losses, plus ``weight`` times how far they disagree.

    The disagreement is the Kullback-Leibler divergence between the predicted distributions, both ways, halved, as a
    mean over rows; with several labels per row it is the sum over labels. A step costs about twice as much. The paper
    adds the losses instead, so that its alpha is twice this ``weight``.
    """

    order: ClassVar[int] = 20

    weight: Annotated[float, Field(gt=0)] = 1.0

    def start(self, progress: Progress) -> Listener:
        """A listener that repeats forward passes."""
        last_linear(progress, "r-drop")  # says at once that there is none
        return _Repeating(self.weight, progress)


class _Repeating(Listener):
    def __init__(self, weight: float, progress: Progress) -> None:
        self._weight = weight
        self._hooks = ExitStack()
        self._seen = self._hooks.enter_context(caught(last_linear(progress, "r-drop")[1]))

    def loss(self, step: Step, loss: Loss) -> Loss:
        several = _several(targets_of(step.batch))
        first = of_rows(self._seen.outputs, step.batch)  # of the pass that the loop has made
        again = step.forward()
        second = of_rows(self._seen.outputs, step.batch)
        mean = (loss.value + again.value) / 2
        return Loss(mean + self._weight * disagreement(first, second, several=several), loss.items)

    def finish(self, progress: Progress) -> None:
        self._hooks.close()


def disagreement(first: Tensor, second: Tensor, *, several: bool) -> Tensor:
    """(rows, labels) logits, twice -> (KL(p || q) + KL(q || p)) / 2, mean over rows.

    Both directions together are the sum over labels of ``(p - q) * (a - b)`` for logits ``a`` and ``b``: what
    normalises them cancels out. This holds for a softmax as well as for labels that are judged one by one.
    """
    p, q = (scores.sigmoid() if several else scores.softmax(dim=1) for scores in (first, second))
    return ((p - q) * (first - second)).sum(dim=1).mean() / 2


def _several(targets: Tensor | None) -> bool:
    """(rows,) class numbers or (rows, labels) 0/1?

    Raises:
        CapabilityError: neither.
    """
    if targets is None or not (targets.dim() == 1 or targets.is_floating_point()):
        raise CapabilityError(
            "r-drop needs a task that classifies rows or words, with one label or several. Take it out of the stage's "
            "techniques."
        )
    return targets.is_floating_point()
