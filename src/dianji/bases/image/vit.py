"""A vision transformer from scratch (Dosovitskiy et al., 2021, arXiv:2010.11929) in transformers' own architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transformers import PretrainedConfig, ViTConfig

from dianji.bases.base import Card
from dianji.bases.image._architecture import Count, ImageArchitecture, Share
from dianji.errors import RecipeError
from dianji.registry import component


@component("architecture", "vit")
@dataclass(frozen=True, kw_only=True)
class Vit(ImageArchitecture):
    """``layers`` blocks over patches of ``patch`` pixels; null: at most 8 a side, 14 from 128 pixels on."""

    name: ClassVar[str] = "vit"
    model_type: ClassVar[str] = ViTConfig.model_type

    layers: Count = 6
    width: Count = 192
    heads: Count = 3
    patch: Count | None = None
    dropout: Share = 0.1

    @property
    def features(self) -> int:
        """The blocks' width."""
        return self.width

    def card(self) -> Card:
        """What the base will be."""
        if self.width % self.heads:
            raise RecipeError(
                f"new vit: width {self.width} cannot be shared by {self.heads} heads. Make width a multiple of heads."
            )
        if self.patch and self.size and self.size % self.patch:
            raise RecipeError(
                f"new vit: images of {self.size} pixels cannot be cut into patches of {self.patch}. "
                "Make size a multiple of patch."
            )
        return ImageArchitecture.card(self)

    def choose_size(self, common: int) -> int:
        """The nearest multiple of a given patch, which would otherwise cut off the border."""
        return common if self.patch is None else self.patch * max(1, round(common / self.patch))

    def config(self, size: int) -> PretrainedConfig:
        """ViT's configuration in this size."""
        return ViTConfig(
            image_size=size,
            patch_size=self.patch or _fitting_patch(size),
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
        )


def _fitting_patch(size: int) -> int:
    """The smallest divisor of ``size`` that leaves at most 8 (14 from 128 pixels on) patches a side."""
    most = 8 if size < 128 else 14
    return next(patch for patch in range(1, size + 1) if size % patch == 0 and size // patch <= most)
