"""Gated convolutions over tokens from scratch; see ``dianji.bases.models.cnn``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from dianji.bases.models.cnn import CnnConfig
from dianji.bases.text._architecture import Count, Share, TextArchitecture
from dianji.registry import component


@component("architecture", "text-cnn")
@dataclass(frozen=True, kw_only=True)
class Cnn(TextArchitecture):
    """``layers`` residual convolutions over ``kernel`` tokens, each reaching twice as far as the one before."""

    name: ClassVar[str] = "text-cnn"
    model_type: ClassVar[str] = CnnConfig.model_type

    layers: Count = 4
    width: Count = 256
    kernel: Annotated[int, Field(ge=2)] = 5
    dropout: Share = 0.1

    def config(self, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
        """The network's configuration in this size."""
        return CnnConfig(
            vocab_size=len(tokenizer),
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            kernel_size=self.kernel,
            hidden_dropout_prob=self.dropout,
            max_position_embeddings=self.length,
            pad_token_id=tokenizer.pad_token_id,
        )
