"""Imprinting: a new head starts from what the base already knows of the classes (Qi et al., 2018, arXiv:1712.07136)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from dianji.errors import CapabilityError
from dianji.registry import component
from dianji.techniques._head import caught, last_linear, of_rows, targets_of
from dianji.techniques._weights import overwrite
from dianji.techniques.base import Listener, Progress

_ROWS = 4096  # kept for choosing the scale; class means are over all rows
_SCALES: tuple[float, ...] = tuple(2.0 ** (step / 2) for step in range(-4, 25))  # 0.25 … 4096
_USUAL = (
    16.0  # where no label has two rows: all-MiniLM-L6-v2 takes 11 to 32 on BANKING77, TREC and Financial PhraseBank
)


@component("technique", "imprint")
@dataclass(frozen=True)
class Imprint:
    """Before the first step, each label's weights become the mean of its rows' features, all of length one.

    A head drawn at random first sends noise into the trunk, which few rows cannot repair (Kumar et al., 2022,
    arXiv:2202.10054); this one is useful from the start. Logits are scaled as fits rows best that are not part of their
    own mean (leave-one-out), times ``confidence``: a head that is less sure than it could be leaves the trunk something
    to learn. Costs one pass over the training rows. Whatever head there was is overwritten. For one label per row
    or word.
    """

    order: ClassVar[int] = 0  # before whatever copies the first weights

    confidence: Annotated[float, Field(gt=0)] = 0.4

    def start(self, progress: Progress) -> Listener:
        """A listener that acts before the first step."""
        last_linear(progress, "imprint")  # says at once that there is none
        return _Imprinting(self)


class _Imprinting(Listener):
    def __init__(self, technique: Imprint) -> None:
        self._technique = technique

    def begin(self, progress: Progress) -> None:
        name, layer = last_linear(progress, "imprint")
        means = _Means(layer.out_features, layer.in_features)
        with caught(layer) as seen:
            progress.over_rows(lambda batch: means.add(of_rows(seen.inputs, batch), targets_of(batch)))
        weight = means.directions() * self._technique.confidence * means.scale() / means.length()
        fresh = {"weight": weight, "bias": torch.zeros(len(weight))}
        live = {f"{name}.{own}": parameter.detach() for own, parameter in layer.named_parameters()}
        overwrite(live, {f"{name}.{own}": tensor for own, tensor in fresh.items()})


class _Means:
    """Sums of features by label, and the first rows themselves. On the CPU, in double precision."""

    def __init__(self, labels: int, width: int) -> None:
        self._sums = torch.zeros(labels, width, dtype=torch.float64)
        self._counts = torch.zeros(labels, dtype=torch.float64)
        self._lengths = 0.0
        self._features: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, features: Tensor, targets: Tensor | None) -> None:
        """(rows, width) features with (rows,) class numbers.

        Raises:
            CapabilityError: there is not one label per row.
        """
        if targets is None or targets.shape != features.shape[:1]:
            raise CapabilityError(
                "imprint needs a task with one label per row or word, since it takes means over the rows of a label. "
                "Take it out of the stage's techniques."
            )
        exact, targets = features.detach().to("cpu", torch.float64), targets.cpu()
        self._lengths += float(exact.norm(dim=1).sum())
        exact = functional.normalize(exact, dim=1)
        self._sums.index_add_(0, targets, exact)
        self._counts += torch.bincount(targets, minlength=len(self._counts))
        if sum(map(len, self._targets)) < _ROWS:
            self._features.append(exact)
            self._targets.append(targets)

    def length(self) -> float:
        """Mean length of the features."""
        return max(self._lengths / max(1.0, float(self._counts.sum())), 1e-12)

    def directions(self) -> Tensor:
        """(labels, width): of length one, then less what all have in common; zero for a label without rows."""
        unit = functional.normalize(self._sums, dim=1)
        there = (self._counts > 0).double().unsqueeze(1)
        return (unit - unit.sum(dim=0) / there.sum().clamp(min=1)) * there

    def scale(self) -> float:
        """What to multiply cosines with for the smallest log-loss of rows that are left out of their own mean."""
        targets = torch.cat([torch.empty(0, dtype=torch.int64), *self._targets])
        judged = self._counts[targets] > 1  # alone with its label, a row leaves no mean behind
        if not judged.any():
            return _USUAL
        features = torch.cat(self._features)
        cosines = features @ functional.normalize(self._sums, dim=1).T
        others = functional.normalize(self._sums[targets] - features, dim=1)
        cosines[torch.arange(len(targets)), targets] = (features * others).sum(dim=1)
        cosines[:, self._counts == 0] = -1.0
        losses = [float(functional.cross_entropy(cosines[judged] * scale, targets[judged])) for scale in _SCALES]
        return _SCALES[losses.index(min(losses))]
