"""Folders of toy models, one for each family of architectures, as if they had been downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    CLIPConfig,
    CLIPProcessor,
    DistilBertConfig,
    GPT2Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    ResNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from dianji.bases.base import Base, Card
from dianji.tasks.chain import keep_pooling
from dianji.testing import toys

LENGTH = 32  # tokens that a toy takes
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_CLIP_ROLES: Mapping[str, str] = {"pad": "pad", "bos": "cls", "eos": "sep"}
_SIZE: Mapping[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def bert() -> Base:
    """BERT with its own pooler; WordPiece."""
    base = toys.text_base()
    return replace(base, card=replace(base.card, pooling="native"))


def roberta() -> Base:
    """RoBERTa: byte-level BPE; positions that begin after the padding token's number."""
    tokenizer = _tokenizer(_ROBERTA, models.BPE(vocab=_bytes(_ROBERTA), merges=[]), ("<s>", "</s>"))
    config = RobertaConfig(**_config(tokenizer), max_position_embeddings=LENGTH + 2, **_SIZE)
    return _base("roberta", config, tokenizer)


def xlm_roberta() -> Base:
    """XLM-RoBERTa: Unigram, as SentencePiece makes it."""
    letters = [("▁", -2.0), *((letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz<>/[]_|")]
    pieces = [*((token, 0.0) for token in _ROBERTA), *letters]
    unigram = models.Unigram(pieces, unk_id=_ROBERTA.index("<unk>"), byte_fallback=False)
    tokenizer = _tokenizer(_ROBERTA, unigram, ("<s>", "</s>"), spaces=True)
    config = XLMRobertaConfig(**_config(tokenizer), max_position_embeddings=LENGTH + 2, **_SIZE)
    return _base("xlm-roberta", config, tokenizer)


def distilbert() -> Base:
    """DistilBERT: no pooler, other names."""
    base = toys.text_base()
    size: dict[str, Any] = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    config = DistilBertConfig(vocab_size=len(base.processor), max_position_embeddings=LENGTH, pad_token_id=0, **size)
    return _base("distilbert", config, base.processor)


def gpt2() -> Base:
    """GPT-2: a decoder with one special token, which the tokenizer does not add to a text."""
    end = "<|endoftext|>"
    tokenizer = _tokenizer((end,), models.BPE(vocab=_bytes((end,)), merges=[]), ())
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=LENGTH,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _base("gpt2", config, tokenizer)


def resnet() -> Base:
    """ResNet."""
    base = toys.image_base()
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return Base(Card("resnet", "image", "resnet", 16, pretrained=False), config, base.processor)


def clip() -> Base:
    """CLIP: a text tower and an image tower in one folder."""
    text, image = toys.text_base(), toys.image_base()
    ids = {f"{role}_token_id": getattr(text.processor, f"{name}_token_id") for role, name in _CLIP_ROLES.items()}
    config = CLIPConfig(
        text_config={**_SIZE, **ids, "vocab_size": len(text.processor), "max_position_embeddings": LENGTH},
        vision_config={**_SIZE, "image_size": image.config.image_size, "patch_size": 4},
        projection_dim=16,
    )
    processor = CLIPProcessor(image.processor, text.processor)  # type: ignore[no-untyped-call]  # unannotated there
    return Base(Card("clip", "image", "clip", 16, pretrained=False, modalities=("text",)), config, processor)


#: Family -> a toy of it. ``bert-mean`` says by a module chain that its tokens are averaged.
FAMILIES: Mapping[str, Callable[[], Base]] = {
    "bert": bert,
    "bert-mean": toys.text_base,
    "roberta": roberta,
    "xlm-roberta": xlm_roberta,
    "distilbert": distilbert,
    "gpt2": gpt2,
    "vit": toys.image_base,
    "resnet": resnet,
    "clip": clip,
}


def write(base: Base, folder: Path, seed: int = 0) -> Path:
    """Save a new base as a folder that looks pre-trained."""
    torch.manual_seed(seed)
    base.load(AutoModel).save_pretrained(folder)
    base.processor.save_pretrained(folder)
    keep_pooling(folder, base)
    return folder


def _roles(tokens: Sequence[str]) -> dict[str, str]:
    """Which special token is what: one for everything, or first, padding, last, unknown, mask."""
    if len(tokens) == 1:
        return dict.fromkeys(("bos_token", "eos_token", "unk_token"), tokens[0])
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return {**dict(zip(names, tokens, strict=True)), "cls_token": tokens[0], "sep_token": tokens[2]}


def _tokenizer(
    special: Sequence[str], model: models.Model, around: Sequence[str], *, spaces: bool = False
) -> PreTrainedTokenizerFast:
    """A fast tokenizer; ``around``: the tokens before and after a text; ``spaces``: marked as SentencePiece does."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace() if spaces else pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.Metaspace() if spaces else decoders.ByteLevel()
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{around[0]} $A {around[1]}",
            special_tokens=[(token, special.index(token)) for token in around],
        )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
        tokenizer_object=tokenizer, model_max_length=LENGTH, **_roles(special)
    )


def _bytes(special: Sequence[str]) -> dict[str, int]:
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    return {token: number for number, token in enumerate(tokens)}


def _config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    roles = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos")}
    return {"vocab_size": len(tokenizer), **roles}


def _base(name: str, config: PretrainedConfig, tokenizer: Any) -> Base:
    return Base(Card(name, "text", config.model_type, 16, pretrained=False), config, tokenizer)
