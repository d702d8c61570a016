"""Toy bases: two layers, sixteen wide, with a tokenizer built in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from transformers import (
    AutoConfig,
    BertConfig,
    BertTokenizer,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    RobertaConfig,
)

from dianji.bases.base import Base, Card
from dianji.bases.models.lstm import LstmConfig

ENGLISH = [
    "where",
    "is",
    "my",
    "card",
    "how",
    "do",
    "i",
    "pay",
    "cash",
    "from",
    "the",
    "bank",
    "lost",
    "money",
    "please",
]
CHINESE = list("我的银行卡丢了怎么办")
PIECES = ["##s", "##ing", "##ed"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ENGLISH, "refund", *CHINESE, *PIECES]


@pytest.fixture(scope="session")
def tokenizer():
    return BertTokenizer(vocab={word: number for number, word in enumerate(VOCABULARY)}, model_max_length=32)


def config_of(kind, **overrides):
    size = {"vocab_size": len(VOCABULARY), "pad_token_id": 0}
    bert = {
        **size,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
    }
    small = {
        BertConfig: bert,
        RobertaConfig: {**bert, "max_position_embeddings": 33},
        ElectraConfig: {**bert, "embedding_size": 8},
        DistilBertConfig: {
            **size,
            "dim": 16,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 32,
            "max_position_embeddings": 32,
        },
        LstmConfig: {**size, "hidden_size": 16, "num_hidden_layers": 1},
        GPT2Config: {"vocab_size": len(VOCABULARY), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    }
    return kind(**{**small[kind], **overrides})


def make_base(config, processor, pooling="native", modality="text") -> Base:
    width = getattr(config, "hidden_size", None) or config.n_embd
    card = Card("toy", modality, config.model_type, width, pretrained=False, pooling=pooling)
    return Base(card, config, processor)


@dataclass(frozen=True)
class Folders:
    """Saves a model with its processor, and opens such a folder as a base again."""

    root: Path

    def save(self, model, processor, name="saved"):
        folder = self.root / name
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        return folder

    def open(self, folder: Path, base: Base, labels=()) -> Base:
        card = replace(base.card, pretrained=True, labels=labels)
        return Base(card, AutoConfig.from_pretrained(folder), base.processor, folder)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path)


@pytest.fixture
def toy(tokenizer):
    """A base from a configuration class of transformers."""
    torch.manual_seed(0)
    return lambda kind, pooling="native", **overrides: make_base(config_of(kind, **overrides), tokenizer, pooling)


@pytest.fixture
def bert(toy):
    return toy(BertConfig, "mean")


@pytest.fixture
def questions():
    return pa.table(
        {
            "text": [
                "where is my card",
                "how do i pay",
                "cash from the bank please",
                "lost card",
                "",
                "pay cash refund",
            ],
            "label": ["card", "payment", "cash", "card", "cash", "payment"],
        }
    )
