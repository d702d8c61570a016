"""Images as inputs of a classification, under the architecture's own classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import AutoModelForImageClassification

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.tasks import _heads, _images
from dianji.tasks.base import Batch, Purpose, TaskModel

_SMALL = 64  # pixels: the longest side up to which images are cropped by default and a pixel baseline makes sense
_LOOKED_AT = 64  # images by which ``learn`` tells grey from colour


@dataclass(frozen=True)
class Images:
    """A column ``image``; resized once, in training flipped and moved at random.

    Args:
        flip: mirror half of the images in training.
        crop: pixels by which images are moved; None: a fourteenth of small images, none of larger ones.
        pixels: height, width and channels of the training images if they are small.
    """

    flip: bool = True
    crop: int | None = None
    pixels: tuple[int, int, int] | None = None

    @property
    def columns(self) -> Mapping[str, Column]:
        """``image``."""
        return {"image": Column("image")}

    @property
    def random(self) -> bool:
        """Unless ``flip`` is off and ``crop`` is 0; by default it depends on the images' size whether they move."""
        return self.flip or self.crop != 0

    @property
    def baselines(self) -> tuple[str, ...]:
        """Raw pixels are telling for small images only."""
        return ("pixels-logistic-regression",) if self.pixels else ()

    def check(self, table: pa.Table, findings: Findings) -> None:
        """Nothing that the column does not show by itself."""

    def corpus(self, table: pa.Table) -> pa.Table:
        """The rows as they are."""
        return table

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """``pixels``."""
        return {"pixels": _small(table)}

    def model(self, base: Base, names: dict[str, Any]) -> TaskModel:
        """The architecture's own classifier."""
        return _heads.own_classifier(base, AutoModelForImageClassification, names)

    def encode(self, table: pa.Table, base: Base, targets: Mapping[str, pa.Array]) -> pa.Table:
        """``pixels``: resized, not normalised, as bytes."""
        field, values = _images.encode(table, base)
        fields = [pa.field("row", pa.int64()), pa.field("length", pa.int32()), field]
        columns: list[Any] = [np.arange(len(values)), np.ones(len(values), dtype=np.int32), values]
        for name, target in targets.items():
            fields.append(pa.field(name, target.type))
            columns.append(target)
        return pa.table(columns, schema=pa.schema(fields))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``pixel_values`` (batch, channels, height, width) as the processor normalises."""
        values = _images.pixels(examples)
        if purpose == "train":
            values = self._augmented(values, rng)
        return {"pixel_values": torch.from_numpy(_images.normalise(values, base.processor))}

    def baseline_inputs(self, table: pa.Table) -> np.ndarray:
        """(rows, pixels) float32 in [0, 1], at the size of the training images; one column where they are not small."""
        if self.pixels is None:
            return np.zeros((table.num_rows, 1), dtype=np.float32)
        height, width, channels = self.pixels
        mode = "L" if channels == 1 else "RGB"
        values = np.empty((table.num_rows, height * width * channels), dtype=np.float32)
        for row, image in enumerate(_images.opened(table)):
            values[row] = np.asarray(image.convert(mode).resize((width, height)), dtype=np.float32).ravel() / 255
        return values

    def _augmented(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side = max(values.shape[2:])
        by = (side // 14 if side <= _SMALL else 0) if self.crop is None else self.crop
        if by:
            values = _images.crop(values, by, rng)
        return _images.flip(values, rng) if self.flip else values


def _small(table: pa.Table) -> tuple[int, int, int] | None:
    """(height, width, channels) of the first images, None if they are large."""
    images = list(islice(_images.opened(table), _LOOKED_AT))
    height, width = max(image.height for image in images), max(image.width for image in images)
    if max(height, width) > _SMALL:
        return None
    grey = all(np.ptp(np.asarray(image), axis=-1).max(initial=0) == 0 for image in images)
    return height, width, 1 if grey else 3
