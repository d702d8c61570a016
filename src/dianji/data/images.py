"""Image files to RGB, whatever their mode; and the bytes of images as Arrow columns."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dianji.errors import CapabilityError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image

#: Larger images are refused by their header alone: a small file may unpack into all of the memory.
MAX_PIXELS = 64_000_000

#: Endings of files that are taken for images; Pillow decides whether they are.
SUFFIXES = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jif",
        ".jfif",
        ".pjpeg",
        ".pjp",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
    }
    | {".ppm", ".pgm", ".pbm", ".jp2", ".avif"}
)
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")


def is_image_file(path: Path) -> bool:
    """Whether a file is taken for an image: by its ending, or, where it has none, by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    return not path.suffix and looks_like_image(head_of(path))


def looks_like_image(head: bytes) -> bool:
    """Whether first bytes are those of an image."""
    bitmap = head.startswith(b"BM") and head[6:10] == b"\0\0\0\0"
    return bitmap or head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def head_of(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read, which reading will report."""
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def open_image(value: bytes | str, where: str) -> Image:
    """Bytes or a path to an image in RGB, upright, its first frame, transparency on white.

    Raises:
        CapabilityError: the extra ``vision`` is missing.
        DataError: not an image, truncated, or of more than 64 megapixels; names ``where``.
    """
    image = _opened(value, where)
    pillow = _pillow()
    try:
        image.load()
        image = pillow.ImageOps.exif_transpose(image) or image
        return _rgb(image, pillow)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(
            f"{where}: the image is damaged or cut off ({error}). Replace it, or leave out its row."
        ) from None


def header(value: bytes | str, where: str) -> tuple[tuple[int, int], str, str]:
    """(width, height), mode and format from an image's header; no pixel is decoded.

    Raises:
        CapabilityError: the extra ``vision`` is missing.
        DataError: not an image, or too large.
    """
    image = _opened(value, where)
    return image.size, image.mode, image.format or "unknown"


def binary_array(values: Sequence[bytes | None]) -> pa.Array:
    """Bytes as Arrow ``binary``, or ``large_binary`` beyond what 32-bit offsets reach."""
    total = sum(len(value) for value in values if value is not None)
    return pa.array(values, pa.binary() if total < 2**30 else pa.large_binary())


def _opened(value: bytes | str, where: str) -> Image:
    pillow = _pillow()
    try:
        stream: Any = io.BytesIO(Path(value).read_bytes() if isinstance(value, str) else value)
    except OSError as error:
        raise DataError(f"{where}: {value!s} cannot be read ({error.strerror}). Check the path.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning; ours comes next, and lower
            image: Image = pillow.Image.open(stream)
    except pillow.Image.DecompressionBombError:
        raise DataError(_too_large(where, "far")) from None
    except (pillow.UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError):
        found = "empty" if not stream.getbuffer().nbytes else "not an image that can be read"
        raise DataError(f"{where}: the file is {found}. Replace it, or leave out its row.") from None
    if image.width * image.height > MAX_PIXELS:
        raise DataError(_too_large(where, f"{image.width} x {image.height} pixels,"))
    return image


def _too_large(where: str, size: str) -> str:
    most = f"{MAX_PIXELS // 1_000_000} megapixels"
    return f"{where}: the image has {size} more than the {most} that are opened. Scale it down, or leave out its row."


def _rgb(image: Image, pillow: Any) -> Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image, pillow)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = pillow.Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return pillow.Image.alpha_composite(white, layer).convert("RGB")  # type: ignore[no-any-return]  # pillow is Any
    return image.convert("RGB")


def _eight_bits(image: Image, pillow: Any) -> Image:
    """16-bit grey is divided by 256 (Pillow's own conversion cuts it off at 255); wider values are stretched."""
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    if image.mode.startswith("I;16") or (image.mode == "I" and 255 < values.max(initial=0) <= 65535):
        scaled = values / 257.0
    elif values.min(initial=0) >= 0 and 1.0 < values.max(initial=0) <= 255:
        scaled = values
    else:
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return pillow.Image.fromarray(np.round(scaled).astype(np.uint8))  # type: ignore[no-any-return]  # pillow is Any


def _pillow() -> Any:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ImportError:
        raise CapabilityError('images need the package pillow. Install it: pip install "dianji[vision]"') from None
    return PIL
