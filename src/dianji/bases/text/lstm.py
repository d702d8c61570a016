"""A bidirectional LSTM from scratch; see ``dianji.bases.models.lstm``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transformers import PretrainedConfig, PreTrainedTokenizerFast

from dianji.bases.base import Card
from dianji.bases.models.lstm import LstmConfig
from dianji.bases.text._architecture import Count, Share, TextArchitecture
from dianji.errors import RecipeError
from dianji.registry import component


@component("architecture", "lstm")
@dataclass(frozen=True, kw_only=True)
class Lstm(TextArchitecture):
    """``layers`` bidirectional layers; ``width`` is shared by the two directions."""

    name: ClassVar[str] = "lstm"
    model_type: ClassVar[str] = LstmConfig.model_type

    layers: Count = 2
    width: Count = 256
    dropout: Share = 0.1

    def card(self) -> Card:
        """What the base will be."""
        if self.width % 2:
            raise RecipeError(f"new lstm: width {self.width} is odd, and is shared by two directions. Make it even.")
        return TextArchitecture.card(self)

    def config(self, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
        """The LSTM's configuration in this size."""
        return LstmConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            hidden_dropout_prob=self.dropout,
            max_position_embeddings=self.length,
            pad_token_id=tokenizer.pad_token_id,
        )
