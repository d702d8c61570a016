from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from dianji.data.quality.pairs import within
from dianji.data.quality.pictures import CORRELATION, LOW, MOST_BITS, SIDE, Hashed, hashes, small


def scene(seed: int, size: int = 96) -> Image.Image:
    """Smooth random colours: what a photograph looks like to a coarse hash."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, size=(12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def file_of(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def measure(*files: bytes) -> Hashed:
    return Hashed.of(files, [str(number) for number in range(len(files))])


def slow_hash(copy: np.ndarray) -> int:
    low = dctn(copy.astype(np.float64), norm="ortho")[:LOW, :LOW].ravel()
    low[np.abs(low) < 0.5] = 0.0
    return sum(1 << bit for bit, value in enumerate(low) if value > np.median(low))


def test_the_hash_is_that_of_the_definition():
    copies = np.stack([small(scene(seed)) for seed in range(20)])
    assert copies.shape == (20, SIDE, SIDE)
    for found, copy in zip(hashes(copies).tolist(), copies, strict=True):
        assert (found ^ slow_hash(copy)).bit_count() <= 1  # a value may lie on the median


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: file_of(image.resize((48, 48))),
        lambda image: file_of(image, "JPEG", quality=60),
        lambda image: file_of(ImageEnhance.Brightness(image).enhance(0.8)),
        lambda image: file_of(image.convert("L")),
    ],
    ids=["smaller", "jpeg", "darker", "grey"],
)
def test_what_a_copy_may_differ_in(changed):
    for seed in range(5):
        pictures = measure(file_of(scene(seed)), changed(scene(seed)), file_of(scene(seed + 100)))
        found = within(pictures)
        assert found.groups(3).tolist() == [0, 0, 1]
        assert (found.likeness >= 1 - MOST_BITS / 64).all()


def test_the_parts_of_the_hash_find_every_pair_within_the_bound():
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 2**63, 50, dtype=np.uint64)
    flips = [
        np.bitwise_or.reduce(np.uint64(1) << rng.choice(64, 4, replace=False).astype(np.uint64)) for _ in originals
    ]
    both = np.concatenate([originals, originals ^ np.array(flips)])
    pictures = Hashed(both, np.zeros((100, SIDE * SIDE), dtype=np.uint8))
    near = {
        (one, other)
        for one, other in itertools.combinations(range(100), 2)
        if int(both[one] ^ both[other]).bit_count() <= MOST_BITS
    }
    found = within(pictures)
    assert len(near) == 50
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == near


def test_equal_hashes_of_other_pictures_are_no_copies():
    rng = np.random.default_rng(0)
    copies = rng.integers(0, 256, size=(2, SIDE * SIDE), dtype=np.uint8)
    pictures = Hashed(np.array([7, 7], dtype=np.uint64), copies)
    assert np.asarray(np.corrcoef(copies))[0, 1] < CORRELATION
    assert len(within(pictures).left) == 0


def test_even_surfaces_are_alike_only_in_the_same_colour():
    white, black = Image.new("RGB", (40, 40), "white"), Image.new("RGB", (40, 40), "black")
    pictures = measure(file_of(white), file_of(black), file_of(white.resize((20, 20))))
    assert within(pictures).groups(3).tolist() == [0, 1, 0]
