"""Images to columns of bytes, and such columns to normalised batches; flips and crops, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.data.images import open_image
from dianji.errors import CapabilityError
from dianji.tasks._rows import refuse_null, where

_CHUNK = 256  # images decoded at a time; bounds the memory that is taken
_SHAPE = b"shape"


def opened(table: pa.Table) -> Iterator[Any]:
    """The ``image`` column, one RGB image after the other.

    Raises:
        DataError: an image is null or damaged.
    """
    refuse_null(table, "image", "an image in every row")
    for row, value in enumerate(table["image"]):
        yield open_image(value.as_py(), where(table, row))


def encode(table: pa.Table, base: Base) -> tuple[pa.Field, pa.ChunkedArray]:
    """Each image as the processor resizes and crops it, before it normalises: (channels, height, width) bytes.

    Raises:
        CapabilityError: the processor leaves images at different sizes.
        DataError: an image is null or damaged.
    """
    grey = getattr(base.config, "num_channels", 3) == 1
    chunks: list[np.ndarray] = []
    waiting: list[Any] = []
    for image in opened(table):
        waiting.append(image.convert("L").convert("RGB") if grey else image)
        if len(waiting) == _CHUNK:
            chunks.append(_resized(waiting, base, grey=grey))
            waiting = []
    if waiting or not chunks:
        chunks.append(_resized(waiting, base, grey=grey))
    shapes = {chunk.shape[1:] for chunk in chunks}
    if len(shapes) > 1:
        raise _uneven(base)
    (shape,) = shapes
    kind = pa.binary(int(np.prod(shape)))
    arrays = [pa.FixedSizeBinaryArray.from_buffers(kind, len(chunk), [None, pa.py_buffer(chunk)]) for chunk in chunks]
    field = pa.field("pixels", kind, metadata={_SHAPE: ",".join(map(str, shape)).encode()})
    return field, pa.chunked_array(arrays, kind)


def pixels(examples: pa.Table) -> np.ndarray:
    """(examples, channels, height, width) uint8, not writable."""
    field = examples.schema.field("pixels")
    shape = tuple(int(size) for size in field.metadata[_SHAPE].split(b","))
    column = examples["pixels"].combine_chunks()
    size = field.type.byte_width
    start = column.offset * size
    flat = np.frombuffer(column.buffers()[1], dtype=np.uint8, count=len(column) * size, offset=start)
    return flat.reshape(len(column), *shape)


def normalise(values: np.ndarray, processor: Any) -> np.ndarray:
    """uint8 to what the processor would have made of it: scaled, then mean and standard deviation per channel, fp32."""
    scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
    levels = (np.arange(256) * scale).astype(np.float32)
    normalised = np.empty(values.shape, dtype=np.float32)
    for channel in range(values.shape[1]):
        table = levels
        if processor.do_normalize:  # one of 256 values each: looked up, not computed again for every pixel
            table = (levels - np.float32(processor.image_mean[channel])) / np.float32(processor.image_std[channel])
        np.take(table, values[:, channel], out=normalised[:, channel])
    return normalised


def flip(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the images mirrored."""
    chosen = rng.random(len(values)) < 0.5
    mirrored = values.copy()
    mirrored[chosen] = values[chosen, :, :, ::-1]
    return mirrored


def crop(values: np.ndarray, by: int, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to ``by`` pixels in both directions; what comes in from outside is black."""
    count, _, height, width = values.shape
    framed = np.pad(values, ((0, 0), (0, 0), (by, by), (by, by)))
    moved = np.empty_like(values)
    # One slice per image copies rows at a time; indexing them all at once would copy pixel by pixel.
    for image, (top, left) in enumerate(rng.integers(0, 2 * by + 1, (count, 2)).tolist()):
        moved[image] = framed[image, :, top : top + height, left : left + width]
    return moved


def _resized(images: list[Any], base: Base, *, grey: bool) -> np.ndarray:
    processor = base.processor
    if not images:  # the shape is owed even where there is no image
        from PIL import Image

        return _resized([Image.new("RGB", (64, 64))], base, grey=grey)[:0]
    made = processor(images=images, do_rescale=False, do_normalize=False)["pixel_values"]
    if len({np.shape(image) for image in made}) > 1:
        raise _uneven(base)
    values = np.ascontiguousarray(made, dtype=np.uint8)
    return np.ascontiguousarray(values[:, :1]) if grey else values


def _uneven(base: Base) -> CapabilityError:
    return CapabilityError(
        f"the image processor of base '{base.card.name}' leaves images at different sizes; expected one size for all. "
        "Scale the images to one size, or set do_resize with height and width in preprocessor_config.json."
    )
