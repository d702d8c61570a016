from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForImageClassification

from dianji.bases.models import ImageCnnConfig, ImageCnnForImageClassification, ImageCnnModel

SIZE: dict[str, Any] = {"hidden_sizes": [4, 8, 16], "depth": 2}


def make(auto=AutoModel, **overrides):
    torch.manual_seed(0)
    return auto.from_config(ImageCnnConfig(**SIZE, **overrides)).eval()


@pytest.mark.parametrize(("size", "left"), [(28, 7), (64, 16), (9, 3)])
def test_each_stage_but_the_first_halves(size, left):
    model = make()
    assert type(model) is ImageCnnModel
    output = model(torch.randn(2, 3, size, size))
    assert output.last_hidden_state.shape == (2, 16, left, left)
    torch.testing.assert_close(output.pooler_output, output.last_hidden_state.mean((2, 3)))


def test_a_classifier_keeps_its_labels(tmp_path):
    labels = {0: "shoe", 1: "shirt", 2: "bag"}
    model = make(AutoModelForImageClassification, id2label=labels, label2id={v: k for k, v in labels.items()})
    assert type(model) is ImageCnnForImageClassification
    pixels = torch.randn(4, 3, 12, 12)
    model.train()
    model(pixels)  # moves the running means, which must be saved too
    model.eval().save_pretrained(tmp_path)
    opened, report = AutoModelForImageClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert opened.config.id2label == labels
    assert opened.classifier.out_features == 3
    with torch.no_grad():
        assert torch.equal(opened(pixels).logits, model(pixels).logits)


def test_the_loss_is_cross_entropy():
    model = make(AutoModelForImageClassification, num_labels=4)
    pixels, labels = torch.randn(3, 3, 12, 12), torch.tensor([0, 3, 1])
    output = model(pixels, labels=labels)
    expected = -output.logits.log_softmax(-1)[torch.arange(3), labels].mean()
    torch.testing.assert_close(output.loss, expected)


def test_every_weight_learns():
    model = make(AutoModelForImageClassification).train()
    model(torch.randn(4, 3, 12, 12), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_first_weights_follow_the_seed():
    one, other = make().state_dict(), make().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_signals_neither_die_nor_explode():
    output = ImageCnnForImageClassification(ImageCnnConfig()).train()(torch.randn(8, 3, 28, 28))
    assert 0.001 < output.logits.std() < 10


def test_channels_last_is_the_same():
    model, pixels = make(), torch.randn(2, 3, 16, 16)
    expected = model(pixels).pooler_output
    fast = model.to(memory_format=torch.channels_last)(pixels.to(memory_format=torch.channels_last))
    torch.testing.assert_close(fast.pooler_output, expected, atol=1e-5, rtol=1e-5)
