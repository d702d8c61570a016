"""What all text architectures share: a tokenizer that is trained on the stage's texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from dianji.bases.base import Base, Card
from dianji.bases.text._tokenizer import SMALLEST, TokenizerKind, train_tokenizer
from dianji.errors import RecipeError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


@dataclass(frozen=True, kw_only=True)
class TextArchitecture(ABC):
    """Arguments of the tokenizer; ``auto`` takes characters for Chinese and Japanese, else WordPiece.

    ``vocabulary`` is an upper limit; ``length`` counts tokens.
    """

    name: ClassVar[str]
    modality: ClassVar[str] = "text"
    classifies: ClassVar[bool] = True
    model_type: ClassVar[str]
    width: int

    tokenizer: TokenizerKind = "auto"
    vocabulary: Annotated[int, Field(ge=16)] = 8000
    length: Annotated[int, Field(ge=4)] = 128
    lowercase: bool = True

    def card(self) -> Card:
        """What the base will be.

        Raises:
            RecipeError: the arguments do not go together.
        """
        smallest = SMALLEST.get(self.tokenizer, 0)
        if self.vocabulary < smallest:
            raise RecipeError(
                f"new {self.name}: a vocabulary of {self.vocabulary} is too small for the tokenizer "
                f"'{self.tokenizer}', which needs at least {smallest}. Raise it, or choose another tokenizer."
            )
        return Card(
            name=f"new {self.name}",
            modality="text",
            architecture=self.model_type,
            width=self.width,
            pretrained=False,
            pooling="mean",
            processor="tokenizer",
        )

    @abstractmethod
    def config(self, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
        """The architecture's configuration for a trained tokenizer."""

    def prepare(self, table: pa.Table, seed: int) -> Base:
        """Train the tokenizer on the column ``text``. Needs no seed: training draws nothing."""
        card = self.card()
        texts = [text for text in table.column("text").to_pylist() if text]
        tokenizer = train_tokenizer(texts, self.tokenizer, self.vocabulary, self.length, lowercase=self.lowercase)
        return Base(card=card, config=self.config(tokenizer), processor=tokenizer)
