"""The small decoder of TSDAE, which must rebuild a text from its vector alone (Wang et al., 2021, arXiv:2104.06979)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dianji.tasks.base import Loss

#: Of a batch's target, where there is no token.
NOTHING = -100


class Decoder(nn.Module):
    """One transformer layer that sees the tokens before and the vector, over the backbone's own word vectors.

    Args:
        width: of vectors and word vectors.
        length: tokens of the longest text.
        vocabulary: how many tokens there are.
    """

    def __init__(self, width: int, length: int, vocabulary: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(width))
        self.positions = nn.Embedding(length, width)
        nn.init.normal_(self.positions.weight, std=0.02)
        heads = next(heads for heads in range(max(1, width // 64), 0, -1) if width % heads == 0)
        self.layer = nn.TransformerDecoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, vectors: Tensor, target: Tensor, words: Tensor) -> Loss:
        """Cross-entropy of each token of a text, given its vector and the tokens before.

        Args:
            vectors: (texts, width).
            target: (texts, time) token numbers; ``NOTHING`` behind the end.
            words: (vocabulary, width) word vectors.
        """
        texts, time = target.shape
        before = functional.embedding(target.clamp(min=0)[:, :-1], words)
        first = self.start.expand(texts, 1, -1)
        states = torch.cat([first, before], dim=1) + self.positions.weight[:time]
        ahead = torch.full((time, time), -math.inf, device=target.device).triu(1)
        hidden = self.layer(states, vectors[:, None], tgt_mask=ahead)
        there = target != NOTHING
        logits = hidden[there] @ words.T + self.bias
        return Loss(functional.cross_entropy(logits.float(), target[there]), int(there.sum()))


def deleted(
    ids: np.ndarray, real: np.ndarray, ordinary: np.ndarray, draw: np.ndarray, share: float, fill: int
) -> tuple[np.ndarray, np.ndarray]:
    """Texts without a share of their ordinary tokens; one of these stays at least.

    Args:
        ids: (texts, time).
        real: (texts, time) bool: no padding.
        ordinary: (texts, time) bool: tokens that may go.
        draw: (texts, time) uniform in [0, 1).
        share: of the tokens that go, in expectation.
        fill: what stands behind the end.

    Returns:
        ids and mask of the same shape; what is left stands at the beginning.
    """
    own = np.where(ordinary, draw, -1.0)
    stays = (own >= np.minimum(share, own.max(axis=1, keepdims=True, initial=-1.0))) & ordinary
    keep = real & (stays | ~ordinary)
    order = np.argsort(~keep, axis=1, kind="stable")
    left = np.take_along_axis(keep, order, axis=1)
    return np.where(left, np.take_along_axis(ids, order, axis=1), fill), left
