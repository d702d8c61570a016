"""Toy bases, made once per session and copied by the tests that damage them."""

from __future__ import annotations

import io
import shutil
import socket

import numpy as np
import pyarrow as pa
import pytest
from transformers import AutoModel, AutoModelForSequenceClassification

from dianji.bases.resolve import resolve
from dianji.spec.sections import NewBase

TEXTS = [
    "Where is my card, please?",
    "I lost my card yesterday.",
    "How do I pay in cash abroad?",
    "The bank took money from my account twice!",
] * 6

TOY = {"layers": 2, "width": 16, "vocabulary": 200, "length": 32}


@pytest.fixture(scope="session")
def table():
    return pa.table({"text": TEXTS})


def png(seed, size=(12, 12), *, grey=False):
    from PIL import Image

    shape = (size[1], size[0]) if grey else (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def images():
    return pa.table({"image": [png(seed) for seed in range(24)]})


@pytest.fixture(scope="session")
def toy_base(table):
    return resolve(NewBase(new="transformer", arguments={**TOY, "heads": 2}), "text").prepare(table)


def save(base, auto, folder, **overrides):
    base.load(auto, **overrides).save_pretrained(folder)
    base.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def saved_encoder(toy_base, tmp_path_factory):
    return save(toy_base, AutoModel, tmp_path_factory.mktemp("bases") / "toy-encoder")


@pytest.fixture(scope="session")
def saved_classifier(toy_base, tmp_path_factory):
    labels = {0: "lost", 1: "pay", 2: "other"}
    folder = tmp_path_factory.mktemp("bases") / "toy-classifier"
    names = {"id2label": labels, "label2id": {label: number for number, label in labels.items()}}
    return save(toy_base, AutoModelForSequenceClassification, folder, **names)


@pytest.fixture
def encoder(saved_encoder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(saved_encoder, tmp_path / "toy-encoder")


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to connect fails the test."""

    def refuse(*arguments, **named):
        raise AssertionError(f"a network connection was tried: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
