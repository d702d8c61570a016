"""Floating-point operations that a model's mathematics needs for the real tokens of its texts.

Forward, for a text of n tokens: ``n * (2 * P + 4 * layers * width * n)``, where P counts the weights of the encoder's
linear layers (embeddings are looked up, not multiplied) and the second term is attention: scores and their weighted
sum. Backward is twice that for weights that learn: once for their gradients, once for those of their inputs; under LoRA
only the latter. Padding, norms, optimiser and heads over one vector a text are no work; so utilisation is
what is left of the machine's products after all of it. Work that is avoided (features from a cache) still
counts on both sides, so that the ratio of two utilisations is the ratio of the speeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Backward passes in forward passes, for a whole encoder.
BACKWARD = {"full": 2.0, "lora": 1.0, "frozen": 0.0}


@dataclass(frozen=True)
class Encoder:
    """The shape of a transformer encoder. ``vocabulary``: of an output layer over masked tokens, 0 without one."""

    layers: int
    width: int
    inner: int
    vocabulary: int = 0

    @property
    def linear(self) -> int:
        """Weights of query, key, value, output and the two of the feed-forward layer, in all layers."""
        return self.layers * (4 * self.width**2 + 2 * self.width * self.inner)

    def forward(self, lengths: Iterable[int]) -> float:
        """Of texts of so many tokens each."""
        return float(sum(n * (2 * self.linear + 4 * self.layers * self.width * n) for n in lengths))

    def head(self, tokens: float) -> float:
        """Forward, of a masked-language head at so many positions: a square layer and one as wide as the vocabulary."""
        return 2.0 * tokens * self.width * (self.width + self.vocabulary) if self.vocabulary else 0.0

    def training(self, lengths: Iterable[int], backward: float, masked: float = 0.0) -> float:
        """Forward and backward.

        Args:
            lengths: tokens of each text.
            backward: see ``BACKWARD``; for the last of several layers their share, times two.
            masked: share of the tokens whose logits are needed.
        """
        lengths = list(lengths)
        return (1 + backward) * self.forward(lengths) + 3 * self.head(masked * sum(lengths))


def share_of(layers: int, learning: int) -> float:
    """Backward of the last ``learning`` of so many layers, in forward passes of all."""
    return BACKWARD["full"] * learning / layers


def utilisation(flops: float, seconds: float, limit: float) -> float:
    """Share of the FLOP/s that products alone reach."""
    return flops / seconds / limit
