"""A small transformer encoder (Vaswani et al., 2017, arXiv:1706.03762; Devlin et al., 2019, arXiv:1810.04805)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transformers import BertConfig, PretrainedConfig, PreTrainedTokenizerFast

from dianji.bases.base import Card
from dianji.bases.text._architecture import Count, Share, TextArchitecture
from dianji.errors import RecipeError
from dianji.registry import component


@component("architecture", "transformer")
@dataclass(frozen=True, kw_only=True)
class Transformer(TextArchitecture):
    """BERT's architecture: ``layers`` blocks of ``heads`` heads, ``width`` wide, four times as wide between."""

    name: ClassVar[str] = "transformer"
    model_type: ClassVar[str] = "bert"

    layers: Count = 4
    width: Count = 256
    heads: Count = 4
    dropout: Share = 0.1

    def card(self) -> Card:
        """What the base will be."""
        if self.width % self.heads:
            raise RecipeError(
                f"new transformer: width {self.width} cannot be shared by {self.heads} heads. "
                f"Make width a multiple of heads, for instance {self.heads * max(1, round(self.width / self.heads))}."
            )
        return TextArchitecture.card(self)

    def config(self, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
        """BERT's configuration in this size."""
        return BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            max_position_embeddings=self.length,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            pad_token_id=tokenizer.pad_token_id,
        )
