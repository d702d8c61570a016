from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dianji.bases.image import _statistics
from dianji.bases.image._statistics import measure
from dianji.errors import DataError
from tests.bases.conftest import png


def column(*values):
    return pa.chunked_array([pa.array(values)])


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float64).reshape(-1, 3) / 255


def test_mean_and_deviation_are_those_of_all_pixels():
    images = [png(seed) for seed in range(5)]
    found = measure(column(*images), seed=0)
    pixels = np.concatenate([pixels_of(image) for image in images])
    assert found.mean == pytest.approx(tuple(pixels.mean(0)), abs=1e-6)
    assert found.std == pytest.approx(tuple(pixels.std(0)), abs=1e-6)
    assert found.size == 12


def test_every_image_weighs_the_same_whatever_its_size():
    small, large = png(1, (8, 8)), png(2, (80, 80))
    found = measure(column(small, large), seed=0)
    expected = (pixels_of(small).mean(0) + pixels_of(large).mean(0)) / 2
    assert found.mean == pytest.approx(tuple(expected), abs=1e-6)


def test_grey_images_have_equal_channels():
    found = measure(column(*(png(seed, grey=True) for seed in range(3))), seed=0)
    assert len(set(found.mean)) == len(set(found.std)) == 1


def test_a_constant_channel_is_not_stretched():
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 10)).save(stream, "PNG")
    assert measure(column(stream.getvalue()), seed=0).std == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 2 + [(50, 50)], 28),
        ([(30, 20)], 32),
        ([(3, 3)], 8),
        ([(500, 300)], 224),
        ([(20, 20), (40, 40)], 40),  # a tie goes to the larger
    ],
)
def test_the_most_common_size_is_taken(sizes, expected):
    images = [png(seed, size) for seed, size in enumerate(sizes)]
    assert measure(column(*images), seed=0).size == expected


def test_paths_and_parquet_structs_work_too(tmp_path):
    data = png(7)
    (tmp_path / "a.png").write_bytes(data)
    by_bytes = measure(column(data), seed=0)
    assert measure(column(str(tmp_path / "a.png")), seed=0) == by_bytes
    assert measure(column({"bytes": data, "path": "a.png"}), seed=0) == by_bytes
    assert measure(column({"bytes": None, "path": str(tmp_path / "a.png")}), seed=0) == by_bytes


def test_a_large_split_is_sampled_by_the_seed(monkeypatch):
    monkeypatch.setattr(_statistics, "_SAMPLE", 3)
    images = column(*(png(seed) for seed in range(12)))
    assert measure(images, seed=1) == measure(images, seed=1)
    assert len({measure(images, seed=seed).mean for seed in range(4)}) > 1


def test_rows_without_an_image_are_passed_over():
    assert measure(column(None, png(1), None), seed=0) == measure(column(png(1)), seed=0)


def test_no_image_at_all():
    with pytest.raises(DataError, match="there is no image to measure"):
        measure(pa.chunked_array([pa.array([None], pa.binary())]), seed=0)


def test_a_damaged_image_names_its_row():
    with pytest.raises(DataError, match="row 2"):
        measure(column(png(1), png(2)[:60]), seed=0)
