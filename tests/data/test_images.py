from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dianji.data import images
from dianji.data.images import binary_array, header, open_image
from dianji.errors import CapabilityError, DataError


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def opened(data: bytes) -> np.ndarray:
    image = open_image(data, "toy.csv, line 2")
    assert image.mode == "RGB"
    return np.asarray(image)


def test_grey_and_palette_and_one_bit():
    assert (opened(saved(Image.new("L", (2, 2), 100))) == 100).all()
    palette = Image.new("RGB", (2, 2), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (opened(saved(palette))[0, 0] == [10, 200, 30]).all()
    assert (opened(saved(Image.new("1", (2, 2), 1))) == 255).all()


def test_transparency_is_on_white():
    assert (opened(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))) == 255).all()
    assert (opened(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 255))))[0, 0] == [255, 0, 0]).all()
    assert (opened(saved(Image.new("LA", (2, 2), (0, 0)))) == 255).all()
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert (opened(saved(palette, transparency=0)) == 255).all()


def test_cmyk():
    data = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = opened(data)[0, 0].tolist()
    assert red > 220
    assert max(green, blue) < 40


def test_sixteen_bits_are_scaled_and_not_cut_off():
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    assert opened(saved(Image.fromarray(values)))[0, :, 0].tolist() == [0, 100, 255]
    assert opened(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 100, 255]


def test_a_dark_sixteen_bit_image_stays_dark():
    values = np.full((2, 2), 300, dtype=np.uint16)
    assert opened(saved(Image.fromarray(values))).max() == 1


def test_fractions_are_stretched():
    values = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    assert opened(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    assert (opened(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0] == [255, 0, 0]).all()


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    wide = saved(Image.new("RGB", (6, 2)), "JPEG", exif=exif)
    assert open_image(wide, "x").size == (2, 6)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, kind)
    with pytest.raises(DataError, match=r"^toy.csv, line 2: the image is damaged or cut off"):
        opened(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("data", "found"), [(b"text", "not an image"), (b"", "empty"), (b"\x89PNG\r\n\x1a\n", "not an image")]
)
def test_no_image(data, found):
    with pytest.raises(DataError, match=f"toy.csv, line 2: the file is {found}"):
        opened(data)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more than its bytes hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 8001), (12_000, 12_000), (50_000, 50_000)])
def test_a_decompression_bomb_is_refused_by_its_header(size):
    with pytest.raises(DataError, match="more than the 64 megapixels"):
        opened(bomb(*size))
    with pytest.raises(DataError, match="more than the 64 megapixels"):
        header(bomb(*size), "x")


def test_a_path_and_a_missing_one(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.new("RGB", (3, 2))))
    assert open_image(str(tmp_path / "a.png"), "x").size == (3, 2)
    assert header(str(tmp_path / "a.png"), "x") == ((3, 2), "RGB", "PNG")
    with pytest.raises(DataError, match="cannot be read"):
        open_image(str(tmp_path / "b.png"), "x")


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(CapabilityError, match=r"dianji\[vision\]"):
        images.open_image(b"", "x")


def test_binary_array_keeps_nulls():
    assert binary_array([b"a", None]).to_pylist() == [b"a", None]
