"""Image classification: one label per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dianji.bases.base import Card
from dianji.registry import component
from dianji.tasks.answers import OneLabel
from dianji.tasks.composed import Classification
from dianji.tasks.images import Images


@component("task", "image-classification")
@dataclass(frozen=True)
class ImageClassification(Classification):
    """The architecture's own classifier; images are resized once, flipped and cropped anew in every epoch.

    Args:
        flip: mirror half of the images in training; to be switched off where left and right mean something.
        crop: pixels by which images are moved at random in training; by default a fourteenth of images of up to 64
            pixels (2 of 28), none of larger ones.
        labels: learnt by ``fit``; naming them fixes their order.
        pixels: height, width and channels of the training images if they are small, learnt by ``fit``; the size at
            which the baseline on pixels works.
    """

    flip: bool = True
    crop: Annotated[int, Field(ge=0)] | None = None
    labels: tuple[str, ...] = ()
    pixels: tuple[int, int, int] | None = None

    modality: ClassVar[str] = "image"
    hub_name: ClassVar[str] = "image-classification"

    @property
    def reader(self) -> Images:
        """Images."""
        return Images(self.flip, self.crop, self.pixels)

    @property
    def answer(self) -> OneLabel:
        """One label."""
        return OneLabel(self.labels)

    def usual(self, rows: int, card: Card) -> Mapping[str, Any]:
        """Larger batches than those of texts where there are many images."""
        return {"batch_size": 128 if rows >= 8000 else 32}
