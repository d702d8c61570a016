"""What an image processor has to know of the training split: size, mean and standard deviation per channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.data.images import open_image
from dianji.errors import DataError

_SAMPLE = 2000
_LARGEST = 224
#: Below this, a channel counts as constant and is not stretched.
_FLAT = 1e-3


@dataclass(frozen=True)
class ImageStatistics:
    """``size`` in pixels; ``mean`` and ``std`` of red, green, blue in [0, 1]."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure(images: pa.ChunkedArray, seed: int) -> ImageStatistics:
    """From at most 2,000 images, drawn by ``seed``; every image has the same weight, whatever its size.

    Raises:
        DataError: there are no images, or one cannot be opened.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    moments = np.zeros((2, 3))
    for row in _sample(images, seed):
        with open_image(_value(images[row].as_py()), f"row {row + 1}") as image:
            pixels = np.asarray(image, dtype=np.float64).reshape(-1, 3) / 255.0
            sizes[image.size] += 1
        moments += pixels.mean(axis=0), np.square(pixels).mean(axis=0)
    if not sizes:
        raise DataError(
            "there is no image to measure: the training split has none. Check which column 'image' is mapped to."
        )
    mean, square = moments / sizes.total()
    std = np.sqrt(np.maximum(square - mean**2, 0.0))
    return ImageStatistics(_common(sizes), _plain(mean), _plain(np.where(std < _FLAT, 1.0, std)))


def _sample(images: pa.ChunkedArray, seed: int) -> list[int]:
    present = np.flatnonzero(images.is_valid().to_numpy(zero_copy_only=False))
    if len(present) > _SAMPLE:
        present = np.sort(np.random.default_rng(seed).choice(present, _SAMPLE, replace=False))
    return [int(row) for row in present]


def _value(image: Any) -> bytes | str:
    """A path, bytes, or what Parquet files of images hold: ``{bytes, path}``."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    return image if isinstance(image, bytes) else str(image)


def _common(sizes: Counter[tuple[int, int]]) -> int:
    """The longer side of the most common size, at most 224, as a multiple of four."""
    (width, height), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return max(8, 4 * round(min(_LARGEST, max(width, height)) / 4))


def _plain(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
