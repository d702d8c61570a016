"""Image classification: one label per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field
from transformers import AutoModelForImageClassification

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.evaluate.outcome import Outcome
from dianji.registry import component
from dianji.tasks import _classes, _heads, _images, _labels
from dianji.tasks.base import Batch, Loss, Outputs, Prediction, TaskModel

_SMALL = 64  # pixels: the longest side up to which images are cropped by default and a pixel baseline makes sense
_LOOKED_AT = 64  # images that fit looks at to tell grey from colour


@component("task", "image-classification")
@dataclass(frozen=True)
class ImageClassification:
    """The architecture's own classifier; images are resized once, flipped and cropped anew in every epoch.

    Args:
        flip: mirror half of the images in training; to be switched off where left and right mean something.
        crop: pixels by which images are moved at random in training; by default a fourteenth of images of up to 64
            pixels (2 of 28), none of larger ones.
        labels: learnt by ``fit``; naming them fixes their order.
        pixels: height, width and channels of the training images if they are small, learnt by ``fit``; what the
            baseline on pixels works on.
    """

    flip: bool = True
    crop: Annotated[int, Field(ge=0)] | None = None
    labels: tuple[str, ...] = ()
    pixels: tuple[int, int, int] | None = None

    modality: ClassVar[Literal["text", "image"]] = "image"
    hub_name: ClassVar[str] = "image-classification"
    columns: ClassVar[Mapping[str, Column]] = MappingProxyType(
        {"image": Column("image"), "label": Column("label", target=True)}
    )
    metrics: ClassVar[tuple[str, ...]] = _classes.ONE_LABEL

    @property
    def random_batches(self) -> bool:
        """Unless ``flip`` is off and ``crop`` is 0: by default images are moved if they are small."""
        return self.flip or self.crop != 0

    def fit(self, table: pa.Table) -> Self:
        """Learn the labels, which are kept if they were given, and whether the images are small."""
        learnt = _labels.learn_one(table)
        if self.labels:
            self.baseline_targets(table)
        return replace(self, labels=self.labels or learnt, pixels=_small(table))

    def model(self, base: Base) -> TaskModel:
        """See ``Task.model``."""
        return _heads.own_classifier(base, AutoModelForImageClassification, _heads.label_names(self.labels))

    def encode(self, table: pa.Table, base: Base) -> pa.Table:
        """``pixels``: resized, not normalised, as bytes; ``target``: int64."""
        field, values = _images.encode(table, base)
        fields = [pa.field("row", pa.int64()), pa.field("length", pa.int32()), field]
        columns = [np.arange(len(values)), np.ones(len(values), dtype=np.int32), values]
        if "label" in table.column_names:
            fields.append(pa.field("target", pa.int64()))
            columns.append(_labels.encode_one(table, self.labels))
        return pa.table(columns, schema=pa.schema(fields))

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, training: bool) -> Batch:
        """``pixel_values`` (batch, channels, height, width) as the processor normalises; ``labels`` (batch,)."""
        values = _images.pixels(examples)
        if training:
            values = self._augmented(values, rng)
        batch = {"pixel_values": torch.from_numpy(_images.normalise(values, base.processor))}
        if "target" in examples.column_names:
            batch[_classes.TARGET] = torch.from_numpy(examples["target"].to_numpy().copy())
        return batch

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """Cross-entropy."""
        return _classes.loss(_classes.logits(model, batch), batch[_classes.TARGET])

    @torch.inference_mode()
    def outputs(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        """``logits`` (examples, labels)."""
        return {"logits": _classes.logits(model, batch).cpu().numpy()}

    def assemble(self, outputs: Outputs, examples: pa.Table) -> Outputs:
        """Rows are examples."""
        return outputs

    def predictions(self, outputs: Outputs, base: Base) -> Sequence[Prediction]:
        """``LabelPrediction``."""
        return _classes.label_predictions(self.labels, outputs)

    def outcome(self, outputs: Outputs, examples: pa.Table) -> Outcome:
        """``Classified``."""
        return _classes.classified(self.labels, outputs, examples)

    @property
    def baselines(self) -> tuple[str, ...]:
        """What a model must beat; pixels as they are say something of small images only."""
        return ("majority", "pixels-logistic-regression") if self.pixels else ("majority",)

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

    def baseline_targets(self, table: pa.Table) -> np.ndarray:
        """See ``Comparable``."""
        return _labels.encode_one(table, self.labels)

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
