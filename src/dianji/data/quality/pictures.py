"""How alike images are: a 64-bit perceptual hash of their coarse shapes, verified on small grey copies.

The hash says of each of 64 low frequencies of a 32 x 32 grey copy whether it is above their median (pHash; Zauner,
2010). It forgives another size, format, quality or brightness. Alone it takes many simple pictures, such as those of
one garment each, for each other; so the grey copies must correlate as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dianji.data.images import header, open_image
from dianji.data.quality.likeness import Effort

if TYPE_CHECKING:
    from PIL.Image import Image

#: Bits of 64 in which hashes of near-duplicates may differ.
MOST_BITS = 4
#: Correlation of the grey copies of near-duplicates.
CORRELATION = 0.98
SIDE, LOW = 32, 8  # pixels of a grey copy; frequencies that are kept in each direction

_HEADERS = 100  # images whose size is read to tell how many can be afforded
_PAIRS = 1 << 15  # pairs compared at a time
#: Hashes that differ in four bits agree in one of five parts.
_PARTS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))  # (first bit, bits)


@dataclass(frozen=True)
class Hashed:
    """Images by their hashes and small copies. A measure (see ``pairs.Measure``)."""

    hashes: np.ndarray  # (images,) uint64
    copies: np.ndarray  # (images, SIDE * SIDE) uint8
    least: float = 1 - MOST_BITS / 64

    @classmethod
    def of(cls, images: Iterable[bytes], names: Iterable[str]) -> Hashed:
        """Images as bytes of files; ``names`` are for messages.

        Raises:
            DataError: one is damaged.
        """
        copies = [small(open_image(content, name)) for content, name in zip(images, names, strict=True)]
        stacked = np.stack(copies) if copies else np.empty((0, SIDE, SIDE), dtype=np.uint8)
        return cls(hashes(stacked), stacked.reshape(len(stacked), -1))

    @property
    def bands(self) -> np.ndarray:
        """(images, 5): the parts of the hash."""
        parts = [(self.hashes >> np.uint64(first)) & np.uint64((1 << bits) - 1) for first, bits in _PARTS]
        return np.stack(parts, axis=1)

    def likeness(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Share of equal bits; 0 where the small copies do not correlate."""
        equal = 1 - np.bitwise_count(self.hashes[left] ^ self.hashes[right]) / 64
        close = np.flatnonzero(equal >= self.least)
        for at in range(0, len(close), _PAIRS):
            part = close[at : at + _PAIRS]
            equal[part[self._correlation(left[part], right[part]) < CORRELATION]] = 0.0
        return np.asarray(equal)

    def _correlation(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Of grey values; images of one colour are like those of the same colour."""
        one, other = (self.copies[rows].astype(np.float32) for rows in (left, right))
        same = np.abs(one - other).mean(axis=1) <= 2.0  # of 255 shades
        one, other = (values - values.mean(axis=1, keepdims=True) for values in (one, other))
        norm = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
        found = np.divide((one * other).sum(axis=1), norm, out=np.zeros_like(norm), where=norm > 0)
        return np.asarray(np.where(same, 1.0, found))


@dataclass(frozen=True)
class Pictures:
    """How the bytes of images are compared (see ``likeness.Likeness``)."""

    method: str = (
        f"perceptual hashes that differ in at most {MOST_BITS} of 64 bits, and grey copies that correlate by at least "
        f"{CORRELATION}"
    )

    def most(self, values: pa.ChunkedArray, rows: np.ndarray, sources: pa.ChunkedArray, effort: Effort) -> int:
        """How many images can be decoded, going by the headers of some."""
        some = rows[:: max(1, len(rows) // _HEADERS)].tolist()
        sizes = [header(values[row].as_py(), str(sources[row]))[0] for row in some]
        pixels = max(1.0, float(np.mean([width * height for width, height in sizes]))) if sizes else 1.0
        return max(2, min(effort.pictures, int(effort.pixels / pixels)))

    def measure(self, values: Sequence[Any], sources: Sequence[str]) -> Hashed:
        """By hashes and grey copies.

        Raises:
            DataError: an image is damaged.
        """
        return Hashed.of(values, sources)


def small(image: Image) -> np.ndarray:
    """A grey copy, (SIDE, SIDE) uint8."""
    from PIL.Image import Resampling

    return np.asarray(image.convert("L").resize((SIDE, SIDE), Resampling.LANCZOS))


def hashes(copies: np.ndarray) -> np.ndarray:
    """(images,) uint64 of (images, SIDE, SIDE) grey values."""
    waves = cosines()
    frequencies = (waves @ copies.astype(np.float32) @ waves.T).reshape(len(copies), LOW * LOW)
    frequencies[np.abs(frequencies) < 0.5] = 0.0  # rounding of an even surface is no shape
    above = frequencies > np.median(frequencies, axis=1, keepdims=True)
    return np.packbits(above, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)


def cosines() -> np.ndarray:
    """(LOW, SIDE) float32: the first rows of the orthonormal discrete cosine transform (DCT-II)."""
    place, wave = np.arange(SIDE) + 0.5, np.arange(LOW)[:, None]
    scale = np.where(wave == 0, np.sqrt(1 / SIDE), np.sqrt(2 / SIDE))
    return np.asarray(scale * np.cos(np.pi * wave * place / SIDE), dtype=np.float32)
