"""A residual network from scratch (He et al., 2016, arXiv:1512.03385) in transformers' own architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transformers import PretrainedConfig, ResNetConfig

from dianji.bases.base import Card
from dianji.bases.image._architecture import ImageArchitecture, Widths
from dianji.errors import RecipeError
from dianji.registry import component

#: The stem divides the resolution by four; smaller images would leave too little for the stages.
_SMALLEST = 56


@component("architecture", "resnet")
@dataclass(frozen=True, kw_only=True)
class ResNet(ImageArchitecture):
    """One stage of ``depths`` basic layers per entry of ``widths``.

    Images below 56 pixels are doubled in size until they reach it, since transformers' stem cannot be made gentler.
    """

    name: ClassVar[str] = "resnet"
    model_type: ClassVar[str] = ResNetConfig.model_type

    widths: Widths = (32, 64, 128)
    depths: Widths = (2, 2, 2)

    @property
    def features(self) -> int:
        """The last stage's width."""
        return self.widths[-1]

    def card(self) -> Card:
        """What the base will be."""
        if len(self.widths) != len(self.depths):
            raise RecipeError(
                f"new resnet: 'widths' has {len(self.widths)} stages and 'depths' {len(self.depths)}. "
                "Give one of each per stage."
            )
        return ImageArchitecture.card(self)

    def choose_size(self, common: int) -> int:
        """Doubled until the stem leaves at least 14 × 14."""
        while common < _SMALLEST:
            common *= 2
        return common

    def config(self, size: int) -> PretrainedConfig:
        """Basic layers; works at any size."""
        return ResNetConfig(
            embedding_size=self.widths[0],
            hidden_sizes=list(self.widths),
            depths=list(self.depths),
            layer_type="basic",
        )
