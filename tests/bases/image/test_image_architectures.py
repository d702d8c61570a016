from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoModelForImageClassification

from dianji.bases.folder import FolderBase
from dianji.bases.image.vit import _fitting_patch
from dianji.bases.resolve import resolve
from dianji.errors import RecipeError
from dianji.registry import from_record, record_of
from dianji.spec.sections import NewBase
from tests.bases.conftest import png, save

SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"widths": [4, 8]},
    "resnet": {"widths": [4, 8], "depths": [1, 1]},
    "vit": {"layers": 2, "width": 16, "heads": 2},
}


def new(name, **arguments):
    return resolve(NewBase(new=name, arguments={**SMALL[name], **arguments}), "image")


def opened(seed, **options):
    return Image.open(io.BytesIO(png(seed, **options)))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("auto", [AutoModel, AutoModelForImageClassification])
@torch.no_grad()
def test_saved_and_opened_is_the_same(name, auto, images, tmp_path, no_network):
    base = new(name).prepare(images)
    torch.manual_seed(0)
    folder = save(base, auto, tmp_path / "base")
    again = FolderBase(folder).prepare(images)
    pixels = again.processor([opened(1), opened(2)], return_tensors="pt")
    assert torch.equal(
        pixels["pixel_values"], base.processor([opened(1), opened(2)], return_tensors="pt")["pixel_values"]
    )
    torch.manual_seed(0)
    assert torch.equal(again.load(auto)(**pixels)[0], base.load(auto)(**pixels)[0])
    assert again.new_weights == []
    assert (again.card.modality, again.card.width) == ("image", base.card.width)


@pytest.mark.parametrize("name", SMALL)
def test_what_the_processor_gives_has_mean_zero_and_deviation_one(name, images):
    base = new(name, size=12).prepare(images)
    pictures = [Image.open(io.BytesIO(data)) for data in images["image"].to_pylist()]
    pixels = base.processor(pictures, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (24, 3, 12, 12)
    assert pixels.mean().abs() < 1e-3
    assert (pixels.std() - 1).abs() < 1e-2


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_mode_becomes_three_channels(mode, images):
    base = new("cnn").prepare(images)
    pixels = base.processor([Image.new(mode, (12, 12))], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 12, 12)


@pytest.mark.parametrize("name", SMALL)
def test_a_given_size_wins(name, images):
    base = new(name, size=20).prepare(images)
    assert dict(base.processor.size) == {"height": 20, "width": 20}
    pixels = base.processor([opened(1)], return_tensors="pt")
    base.load(AutoModelForImageClassification)(**pixels)


def test_small_images_are_doubled_for_the_stem_of_a_resnet(images):
    base = new("resnet").prepare(images)
    assert dict(base.processor.size) == {"height": 96, "width": 96}


@pytest.mark.parametrize(("size", "patch"), [(8, 1), (12, 2), (28, 4), (32, 4), (64, 8), (96, 12), (224, 16)])
def test_patches_divide_the_image(size, patch):
    assert _fitting_patch(size) == patch


def test_images_fit_a_given_patch(images):
    base = new("vit", patch=5).prepare(images)
    assert base.config.image_size == 10
    assert base.config.patch_size == 5


@pytest.mark.parametrize("name", SMALL)
def test_a_record_is_enough_to_make_it_again(name):
    architecture = new(name).architecture
    assert from_record("architecture", record_of(architecture)) == architecture


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("resnet", {"depths": [1, 1, 1]}, "'widths' has 2 stages and 'depths' 3"),
        ("vit", {"width": 16, "heads": 3}, "width 16 cannot be shared by 3 heads"),
        ("vit", {"size": 30, "patch": 4}, "images of 30 pixels cannot be cut into patches of 4"),
    ],
)
def test_arguments_that_do_not_go_together(name, arguments, told):
    with pytest.raises(RecipeError, match=told):
        new(name, **arguments).card()


def test_the_digest_follows_the_seed_of_the_sample():
    digests = {resolve(NewBase(new="cnn"), "image", seed=seed).digest() for seed in (0, 1)}
    assert len(digests) == 2


def test_transformers_alone_opens_the_processor(images, tmp_path):
    """In a process that never heard of us."""
    folder = save(new("vit").prepare(images), AutoModelForImageClassification, tmp_path / "base")
    (tmp_path / "a.png").write_bytes(png(5))
    code = """
import json, sys
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification
processor = AutoImageProcessor.from_pretrained(sys.argv[1])
pixels = processor([Image.open(sys.argv[2])], return_tensors="pt")
model = AutoModelForImageClassification.from_pretrained(sys.argv[1])
print(json.dumps(model(**pixels).logits.tolist()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "a.png"], capture_output=True, text=True, check=True
    )
    base = FolderBase(folder).prepare(images)
    with torch.no_grad():
        logits = base.load(AutoModelForImageClassification)(**base.processor([opened(5)], return_tensors="pt")).logits
    np.testing.assert_allclose(json.loads(done.stdout), logits.numpy(), atol=1e-5)
