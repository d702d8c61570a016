"""A small convolutional network from scratch; see ``dianji.bases.models.image_cnn``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transformers import PretrainedConfig

from dianji.bases.image._architecture import Count, ImageArchitecture, Share, Widths
from dianji.bases.models.image_cnn import ImageCnnConfig
from dianji.registry import component


@component("architecture", "cnn")
@dataclass(frozen=True, kw_only=True)
class Cnn(ImageArchitecture):
    """One stage per entry of ``widths``, all but the first with ``depth`` residual layers; made for 28 to 64 pixels."""

    name: ClassVar[str] = "cnn"
    model_type: ClassVar[str] = ImageCnnConfig.model_type

    widths: Widths = (32, 64, 128)
    depth: Count = 1
    dropout: Share = 0.1

    @property
    def features(self) -> int:
        """The last stage's width."""
        return self.widths[-1]

    def config(self, size: int) -> PretrainedConfig:
        """The network's configuration; it works at any size."""
        return ImageCnnConfig(hidden_sizes=list(self.widths), depth=self.depth, classifier_dropout=self.dropout)
