"""A small transformer with encoder and decoder (Vaswani et al., 2017, arXiv:1706.03762), one vocabulary for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pyarrow as pa
from pydantic import Field
from transformers import M2M100Config, PretrainedConfig, PreTrainedTokenizerFast

from dianji.bases.base import Base, Card
from dianji.bases.text._architecture import Count, Share
from dianji.bases.text._joint import SMALLEST, JointKind, train_joint_tokenizer
from dianji.errors import RecipeError
from dianji.registry import component


@component("architecture", "seq2seq")
@dataclass(frozen=True, kw_only=True)
class Seq2Seq:
    """M2M-100's architecture: norms before each block, sinusoidal positions, one table for all words and the output.

    ``layers`` blocks on each side, ``width`` wide, ``between`` times as wide inside. The tokenizer is trained on
    sources and targets together; ``vocabulary`` is an upper limit, ``length`` counts tokens of one side.
    """

    name: ClassVar[str] = "seq2seq"
    modality: ClassVar[str] = "text"
    classifies: ClassVar[bool] = False
    model_type: ClassVar[str] = "m2m_100"

    layers: Count = 3
    width: Count = 256
    heads: Count = 4
    between: Count = 2
    dropout: Share = 0.2
    tokenizer: JointKind = "bpe"
    vocabulary: Annotated[int, Field(ge=SMALLEST)] = 6000
    length: Annotated[int, Field(ge=4)] = 256

    def card(self) -> Card:
        """What the base will be.

        Raises:
            RecipeError: the arguments do not go together.
        """
        if self.width % self.heads:
            raise RecipeError(
                f"new seq2seq: width {self.width} cannot be shared by {self.heads} heads. "
                f"Make width a multiple of heads, for instance {self.heads * max(1, round(self.width / self.heads))}."
            )
        return Card(
            name=f"new {self.name}",
            modality="text",
            architecture=self.model_type,
            width=self.width,
            pretrained=False,
            processor="tokenizer",
        )

    def prepare(self, table: pa.Table, seed: int) -> Base:
        """Train the tokenizer on the column ``text``, in which the task puts both sides. Needs no seed."""
        texts = [text for text in table["text"].to_pylist() if text]
        tokenizer = train_joint_tokenizer(texts, self.tokenizer, self.vocabulary, self.length)
        return Base(card=self.card(), config=self.config(tokenizer), processor=tokenizer)

    def config(self, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
        """M2M-100's configuration in this size; a target begins with the tokenizer's first token."""
        sizes: dict[str, Any] = {
            f"{side}_{name}": value
            for side in ("encoder", "decoder")
            for name, value in (
                ("layers", self.layers),
                ("attention_heads", self.heads),
                ("ffn_dim", self.between * self.width),
            )
        }
        return M2M100Config(
            vocab_size=len(tokenizer),
            d_model=self.width,
            dropout=self.dropout,
            attention_dropout=self.dropout,
            activation_dropout=0.0,
            encoder_layerdrop=0.0,
            decoder_layerdrop=0.0,
            activation_function="relu",
            scale_embedding=True,
            max_position_embeddings=self.length,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.bos_token_id,
            **sizes,
        )
