"""What all image architectures share: an image processor with the training split's own statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field
from transformers import PretrainedConfig, ViTImageProcessorPil

from dianji.bases.base import Base, Card
from dianji.bases.image._statistics import measure

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class ImageArchitecture(ABC):
    """``size``: images are scaled to so many pixels on both sides; null: the most common size of the training split."""

    name: ClassVar[str]
    modality: ClassVar[str] = "image"
    classifies: ClassVar[bool] = True
    model_type: ClassVar[str]

    size: Annotated[int, Field(ge=8, le=1024)] | None = None

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of what the backbone gives."""

    @abstractmethod
    def config(self, size: int) -> PretrainedConfig:
        """The architecture's configuration for images of ``size`` pixels."""

    def choose_size(self, common: int) -> int:
        """The size to work at where the recipe names none and ``common`` is the data's own."""
        return common

    def card(self) -> Card:
        """What the base will be."""
        return Card(
            name=f"new {self.name}",
            modality="image",
            architecture=self.model_type,
            width=self.features,
            pretrained=False,
            processor="image-processor",
        )

    def prepare(self, table: pa.Table, seed: int) -> Base:
        """Measure the column ``image``. Grey images stay RGB with equal channels, as every processor expects."""
        found = measure(table.column("image"), seed)
        size = self.size or self.choose_size(found.size)
        processor = ViTImageProcessorPil(
            size={"height": size, "width": size},
            image_mean=list(found.mean),
            image_std=list(found.std),
            do_convert_rgb=True,
        )
        return Base(card=self.card(), config=self.config(size), processor=processor)
