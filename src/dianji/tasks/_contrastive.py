"""Losses of sentence embeddings: of pairs with in-batch negatives, of scored pairs, of triplets.

A loss takes ``Compared`` vectors and gives a scalar. Loss objects that couple examples compare each row with the others
of its batch. All similarities are cosines in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

_FAR = torch.finfo(torch.float32).min
#: The assumed cost of a further pass, in tokens of padding; an estimate, not a measurement.
_GROUP = 150.0


@dataclass(frozen=True)
class Compared:
    """The vectors of a batch, and what is known of its texts.

    Args:
        vectors: (rows, texts, width): the text, its partner, and any negatives.
        numbers: (rows, texts) int64: equal for equal texts.
        key: (rows,) int64: rows with one key share their right partners.
        score: (rows,) in [0, 1], of scored pairs.
    """

    vectors: Tensor
    numbers: Tensor
    key: Tensor
    score: Tensor | None = None

    @property
    def scores(self) -> Tensor:
        """(rows,); only where pairs are scored."""
        if self.score is None:
            raise ValueError("these pairs have no scores")
        return self.score

    def cosine(self, text: int) -> Tensor:
        """(rows,): of each row's first text and another one of the row."""
        return functional.cosine_similarity(self.vectors[:, 0], self.vectors[:, text], dim=-1)

    def shortened(self, dimensions: int) -> Compared:
        """The same with the first components of each vector only."""
        return replace(self, vectors=self.vectors[..., :dimensions])


class VectorLoss(Protocol):
    """A small object; ``couples`` says whether a row's loss depends on the other rows of its batch."""

    @property
    def couples(self) -> bool:
        """Whether rows share a loss."""
        ...

    def __call__(self, compared: Compared) -> Tensor:
        """A scalar: the mean over rows."""
        ...


@dataclass(frozen=True)
class InBatch:
    """Multiple negatives ranking (Henderson et al., 2017, arXiv:1705.00652), or InfoNCE (Oord et al., 2018).

    Cross-entropy of finding the row's partner among all partners and negatives of the batch. What is known to be right,
    or to be the row's own text, is no negative: a partner of a row with the same key, and a candidate that equals the
    row's partner or its text.

    Args:
        scale: of cosines, one by the temperature.
        symmetric: the text is also looked for among all texts, given its partner; the loss is the mean of both.
    """

    couples: ClassVar[bool] = True

    scale: float = 20.0
    symmetric: bool = False

    def __call__(self, compared: Compared) -> Tensor:
        """See ``VectorLoss``."""
        unit = functional.normalize(compared.vectors, dim=-1)
        texts, partners = unit[:, 0], unit[:, 1:].transpose(0, 1).flatten(0, 1)  # (rows, width), (candidates, width)
        loss = self._found(texts @ partners.T, self._known(compared))
        if not self.symmetric:
            return loss
        return (loss + self._found(unit[:, 1] @ texts.T, self._known_texts(compared))) / 2

    def _found(self, cosine: Tensor, known: Tensor) -> Tensor:
        rows = torch.arange(len(cosine), device=cosine.device)
        known[rows, rows] = False
        return functional.cross_entropy((self.scale * cosine).masked_fill(known, _FAR), rows)

    def _known(self, compared: Compared) -> Tensor:
        """(rows, candidates) bool: no negatives of the row. Candidates are all first partners, then all negatives."""
        texts, partner = compared.numbers[:, :1], compared.numbers[:, 1:2]
        candidates = compared.numbers[:, 1:].T.flatten()
        known = (candidates == texts) | (candidates == partner)
        known[:, : len(texts)] |= compared.key[:, None] == compared.key
        return known

    def _known_texts(self, compared: Compared) -> Tensor:
        """(rows, rows) bool: texts of other rows that the row's partner may belong to."""
        texts, partner = compared.numbers[:, 0], compared.numbers[:, 1]
        same_partner = partner[:, None] == partner
        own = (texts[:, None] == texts) | (partner[:, None] == texts)
        return same_partner | own | (compared.key[:, None] == compared.key)


@dataclass(frozen=True)
class CoSENT:
    """Pairs with a higher score are to have a higher cosine, whatever the two are (Su, 2022).

    ``log(1 + sum exp(scale * (cosine_low - cosine_high)))`` over all pairs of rows with different scores.
    """

    couples: ClassVar[bool] = True

    scale: float = 20.0

    def __call__(self, compared: Compared) -> Tensor:
        """See ``VectorLoss``."""
        cosine, score = self.scale * compared.cosine(1), compared.scores
        apart = cosine[None, :] - cosine[:, None]  # [high, low]
        ordered = score[:, None] > score[None, :]
        terms = apart.masked_fill(~ordered, _FAR).flatten()
        return torch.logsumexp(torch.cat([terms.new_zeros(1), terms]), dim=0)


@dataclass(frozen=True)
class MeanSquares:
    """The squared difference of cosine and score, the latter scaled to [0, 1]."""

    couples: ClassVar[bool] = False

    def __call__(self, compared: Compared) -> Tensor:
        """See ``VectorLoss``."""
        return functional.mse_loss(compared.cosine(1), compared.scores)


@dataclass(frozen=True)
class Triplet:
    """The partner is to be closer than the row's own negative by a margin of cosine (Schroff et al., 2015)."""

    couples: ClassVar[bool] = False

    margin: float = 0.2

    def __call__(self, compared: Compared) -> Tensor:
        """See ``VectorLoss``."""
        return functional.relu(self.margin - compared.cosine(1) + compared.cosine(2)).mean()


@dataclass(frozen=True)
class Matryoshka:
    """The mean of a loss over vectors cut to several widths, so that short ones are useful (Kusupati et al., 2022).

    Args:
        loss: any.
        dimensions: components that are kept, from the first on.
    """

    loss: VectorLoss
    dimensions: tuple[int, ...]

    @property
    def couples(self) -> bool:
        """As the wrapped loss."""
        return self.loss.couples

    def __call__(self, compared: Compared) -> Tensor:
        """See ``VectorLoss``."""
        return torch.stack([self.loss(compared.shortened(size)) for size in self.dimensions]).mean()


def encoded(model: nn.Module, inputs: dict[str, Any], at_once: int | None) -> Tensor:
    """(rows, texts, width) of (rows, texts, time) inputs.

    On a CPU texts of similar length are read together, since padding would take most of the time.

    With ``at_once``, at most so many rows are read at a time. Activations of a group are dropped after its forward pass
    and computed again, with the same random numbers, in the backward pass (GradCache; Gao et al., 2021,
    arXiv:2101.06983). Gradients are those of one pass over all texts, and memory is that of one group.

    Args:
        model: gives ``vectors``.
        inputs: ``attention_mask`` among them; texts are padded on the right.
        at_once: rows; None: no limit.
    """
    mask = inputs["attention_mask"]
    rows, texts, _ = mask.shape
    lengths = mask.sum(dim=-1).flatten().cpu().numpy()
    again = at_once is not None and rows > at_once and torch.is_grad_enabled()
    most = len(lengths) if at_once is None else at_once * texts
    order = np.argsort(lengths, kind="stable")
    edges = similar(lengths[order]) if mask.device.type == "cpu" else [0, len(order)]
    found = []
    for start, stop in pairwise(edges):
        for first in range(start, stop, most):
            group = torch.from_numpy(order[first : min(stop, first + most)]).to(mask.device)
            longest = int(lengths[order[min(stop, first + most) - 1]])
            part = {name: tensor.flatten(0, 1)[group, :longest] for name, tensor in inputs.items()}
            found.append(_again(model, part) if again else _vectors(model, part))
    place = torch.from_numpy(np.argsort(order, kind="stable")).to(mask.device)
    vectors = torch.cat(found)[place]
    return vectors.reshape(rows, texts, vectors.shape[-1])


def similar(lengths: np.ndarray) -> list[int]:
    """Where ascending lengths are cut into groups, so that padding and the cost of more groups are least together.

    Returns:
        Edges, from 0 to the number of texts.
    """
    ends = [*(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]  # a group ends where the length changes
    starts = [0, *ends]
    cost, before = [0.0], [0]
    for end in ends:
        options = [
            cost[number] + float(lengths[end - 1]) * (end - start) + _GROUP
            for number, start in enumerate(starts[: len(cost)])
        ]
        best = int(np.argmin(options))
        cost.append(options[best])
        before.append(best)
    edges, number = [], len(ends)
    while number:
        edges.append(starts[number])
        number = before[number]
    return [0, *reversed(edges)]


def _again(model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    with set_checkpoint_early_stop(False):  # a layer that keeps track of a pass must see its end
        found: Tensor = checkpoint(_vectors, model, inputs, use_reentrant=False, preserve_rng_state=True)
        return found


def _vectors(model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    found: Tensor = model(**inputs).vectors
    return found
