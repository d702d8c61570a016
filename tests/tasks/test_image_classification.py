from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageClassification,
    ConvNextImageProcessorPil,
    ResNetConfig,
    ViTConfig,
    ViTImageProcessorPil,
)

from dianji.bases.base import Base, Card
from dianji.errors import CapabilityError, DataError
from dianji.evaluate.labelled import Classified
from dianji.registry import from_record, record_of
from dianji.tasks import _images
from dianji.tasks.image_classification import ImageClassification

NO_ROWS = pa.table({})  # these predictions follow from the outputs alone

RNG = np.random.default_rng(3)
SIZE = {"height": 16, "width": 16}


def png(width, height, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def pictures():
    images = [png(*size) for size in [(16, 16), (20, 12), (12, 20), (40, 30)]]
    return pa.table({"image": images, "label": ["cat", "dog", "cat", "owl"]})


def vit(processor=None, channels=3):
    config = ViTConfig(
        image_size=16,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_channels=channels,
    )
    card = Card("toy", "image", "vit", 16, pretrained=False)
    return Base(card, config, processor or ViTImageProcessorPil(size=SIZE))


def batch_of(task, table, base, *, training=False, seed=0):
    return task.collate(
        task.encode(table, base), base, np.random.default_rng(seed), purpose="train" if training else "score"
    )


def test_fit_learns_labels_and_smallness(pictures):
    task = ImageClassification().fit(pictures)
    assert task.labels == ("cat", "dog", "owl")
    assert task.pixels == (30, 40, 3)
    assert task.baselines == ("majority", "pixels-logistic-regression")
    assert from_record("task", record_of(task)) == task
    large = ImageClassification().fit(pa.table({"image": [png(80, 10), png(8, 8)], "label": ["a", "b"]}))
    assert large.pixels is None
    assert large.baselines == ("majority",)
    assert np.asarray(large.baseline_inputs(pictures)).shape == (4, 1)


@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(size=SIZE),
        ViTImageProcessorPil(size=SIZE, image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.4, 0.3]),
        ViTImageProcessorPil(size=SIZE, do_normalize=False),
        ViTImageProcessorPil(size=SIZE, do_rescale=False, do_normalize=False),
        ConvNextImageProcessorPil(size={"shortest_edge": 16}, crop_pct=0.875),
    ],
)
def test_pixels_are_those_of_the_processor(pictures, processor):
    base = vit(processor)
    values = batch_of(ImageClassification().fit(pictures), pictures, base)["pixel_values"]
    images = [Image.open(io.BytesIO(image)).convert("RGB") for image in pictures["image"].to_pylist()]
    expected = processor(images=images, return_tensors="np")["pixel_values"]
    assert values.dtype == torch.float32
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-6)


def test_examples_can_be_taken_and_sliced(pictures):
    base, task = vit(), ImageClassification().fit(pictures)
    examples = task.encode(pictures, base)
    whole = _images.pixels(examples)
    assert whole.shape == (4, 3, 16, 16)
    np.testing.assert_array_equal(_images.pixels(examples.take([3, 1])), whole[[3, 1]])
    np.testing.assert_array_equal(_images.pixels(examples.slice(1, 2)), whole[1:3])
    np.testing.assert_array_equal(
        _images.pixels(pa.concat_tables([examples, examples])), np.concatenate([whole, whole])
    )
    assert task.encode(pictures.slice(0, 0), base).num_rows == 0


def test_more_images_than_are_decoded_at_a_time(pictures, monkeypatch):
    base, task = vit(), ImageClassification().fit(pictures)
    whole = _images.pixels(task.encode(pictures, base))
    monkeypatch.setattr(_images, "_CHUNK", 3)
    np.testing.assert_array_equal(_images.pixels(task.encode(pictures, base)), whole)


def test_one_channel(pictures):
    base = vit(ViTImageProcessorPil(size=SIZE, image_mean=[0.5], image_std=[0.5]), channels=1)
    task = ImageClassification().fit(pictures)
    values = batch_of(task, pictures, base)["pixel_values"]
    grey = Image.open(io.BytesIO(pictures["image"][0].as_py())).convert("L")
    np.testing.assert_allclose(values[0, 0].numpy(), (np.asarray(grey) / 255 - 0.5) / 0.5, atol=1e-6)
    assert task.outputs(task.model(base).model, {"pixel_values": values})["logits"].shape == (4, 3)


def test_images_of_several_sizes_are_refused(pictures):
    with pytest.raises(CapabilityError, match="different sizes"):
        ImageClassification().fit(pictures).encode(pictures, vit(ViTImageProcessorPil(do_resize=False)))


def test_a_damaged_image_is_named(pictures):
    bad = pa.table({"image": [png(8, 8), b"no image"], "label": ["cat", "dog"], "__source__": ["a.png", "b.png"]})
    with pytest.raises(DataError, match=r"b\.png"):
        ImageClassification(labels=("cat", "dog")).encode(bad, vit())
    with pytest.raises(DataError, match="row 1: column 'image' is null"):
        ImageClassification(labels=("cat", "dog")).encode(pa.table({"image": pa.array([None], pa.binary())}), vit())


# Augmentation


def test_crops_are_windows_of_the_framed_image():
    values = RNG.integers(1, 256, (50, 2, 6, 5), dtype=np.uint8)
    moved = _images.crop(values, 2, np.random.default_rng(0))
    framed = np.pad(values, ((0, 0), (0, 0), (2, 2), (2, 2)))
    seen = set()
    for image, found in zip(framed, moved, strict=True):
        places = [(y, x) for y in range(5) for x in range(5) if (image[:, y : y + 6, x : x + 5] == found).all()]
        seen.update(places)
        assert places
    assert len(seen) > 15


def test_half_of_the_images_are_mirrored():
    values = RNG.integers(0, 256, (1000, 1, 3, 4), dtype=np.uint8)
    flipped = _images.flip(values, np.random.default_rng(0))
    mirrored = (flipped == values[..., ::-1]).all(axis=(1, 2, 3))
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    assert (mirrored | (flipped == values).all(axis=(1, 2, 3))).all()


def test_augmentation_belongs_to_training_and_follows_the_generator(pictures):
    base, task = vit(), ImageClassification().fit(pictures)
    one, same, other = (batch_of(task, pictures, base, training=True, seed=seed)["pixel_values"] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    plain = batch_of(task, pictures, base)["pixel_values"]
    assert not torch.equal(one, plain)
    still = ImageClassification(flip=False, crop=0).fit(pictures)
    assert torch.equal(batch_of(still, pictures, base, training=True)["pixel_values"], plain)


# Model


def resnet():
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return Base(Card("toy", "image", "resnet", 16, pretrained=False), config, ViTImageProcessorPil(size=SIZE))


@pytest.mark.parametrize(("make", "head"), [(vit, "classifier"), (resnet, "classifier")])
def test_the_head_is_kept_for_the_same_labels_and_new_for_others(pictures, folders, make, head):
    torch.manual_seed(0)
    base, task = make(), ImageClassification().fit(pictures)
    made = task.model(base)
    assert made.head == (head,)
    assert made.model.config.id2label == {0: "cat", 1: "dog", 2: "owl"}
    folder = folders.save(made.model, base.processor)
    batch = batch_of(task, pictures, base)
    logits = task.outputs(made.model, batch)["logits"]
    again = folders.open(folder, base, task.labels)
    reopened = task.model(again).model
    again.require_complete()
    np.testing.assert_array_equal(task.outputs(reopened, batch)["logits"], logits)
    other = ImageClassification(labels=("a", "b", "c")).model(again)
    assert again.new_weights
    assert not np.allclose(task.outputs(other.model, batch)["logits"], logits)
    for name, tensor in made.model.base_model.state_dict().items():
        torch.testing.assert_close(other.model.base_model.state_dict()[name], tensor, rtol=0, atol=0)
    opened = AutoModelForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        np.testing.assert_allclose(opened(batch["pixel_values"]).logits.numpy(), logits, atol=1e-6)


def test_loss_outcome_and_predictions(pictures):
    base, task = vit(), ImageClassification().fit(pictures)
    model = task.model(base).model
    batch = batch_of(task, pictures, base)
    outputs = task.outputs(model, batch)
    outcome = task.outcome(outputs, task.encode(pictures, base))
    assert isinstance(outcome, Classified)
    assert outcome.target.tolist() == [0, 1, 0, 2] == task.baseline_targets(pictures).tolist()
    nll = -np.log(outcome.probabilities[np.arange(4), outcome.target]).mean()
    loss = task.loss(model, batch)
    assert loss.value.item() == pytest.approx(nll, abs=1e-5)
    assert loss.items == 4
    (first, *_) = task.predictions(outputs, NO_ROWS, base)
    best = outcome.probabilities[0].argmax()
    assert first.to_json() == {"label": task.labels[best], "probability": pytest.approx(outcome.probabilities[0, best])}
    assert "labels" not in batch_of(task, pictures.drop(["label"]), base)


def test_baseline_inputs_are_pixels(pictures):
    inputs = np.asarray(ImageClassification().fit(pictures).baseline_inputs(pictures))
    assert inputs.shape == (4, 30 * 40 * 3)
    assert inputs.dtype == np.float32
    assert 0 <= inputs.min() <= inputs.max() <= 1
    grey = pa.table({"image": [png(5, 4, 1), png(5, 4, 1)], "label": ["a", "b"]})
    task = ImageClassification().fit(grey)
    assert task.pixels == (4, 5, 1)
    expected = np.asarray(Image.open(io.BytesIO(grey["image"][0].as_py()))).ravel() / 255
    np.testing.assert_allclose(np.asarray(task.baseline_inputs(grey))[0], expected, atol=1e-6)
