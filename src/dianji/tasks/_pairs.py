"""Pairs of texts as tokens for encoder-decoder models: how targets begin and end, and batches of both sides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.errors import BaseError, CapabilityError
from dianji.tasks import _tokens
from dianji.tasks._language import IGNORED
from dianji.tasks._special import tokenizer_for
from dianji.tasks.base import Batch

GENERATION = "generation_config.json"


@dataclass(frozen=True)
class Marks:
    """Tokens that a base's decoder gives a meaning.

    Law: a target is ``first`` tokens that are forced (if any), its text, then ``end``; the decoder reads ``start``
    before all of it. ``end`` may be the token that pads (as in some Marian models): what is padding follows from
    lengths, never from a token's number.
    """

    start: int
    end: int
    #: Never written, such as the padding token of Marian models.
    banned: tuple[int, ...] = ()
    #: Always written first, such as the language in mBART.
    first: int | None = None
    #: Always written where the length is used up.
    last: int | None = None

    @classmethod
    def of(cls, base: Base) -> Marks:
        """From ``generation_config.json`` and ``config.json``, the former first, as transformers reads them.

        Raises:
            BaseError: neither says which token a target begins with, or ends with.
        """
        said = _said(base)
        end = said("eos_token_id")
        start = said("decoder_start_token_id")
        start = said("bos_token_id") if start is None else start
        end = end[0] if isinstance(end, list) and end else end
        for value, name in ((start, "decoder_start_token_id"), (end, "eos_token_id")):
            if not isinstance(value, int):
                raise BaseError(
                    f"base '{base.card.name}': its configuration has no {name}, so that it is not known with which "
                    "token a target begins or ends. Add it to config.json as the model's authors have it."
                )
        return cls(int(start), int(end), _banned(said), said("forced_bos_token_id"), said("forced_eos_token_id"))


def _said(base: Base) -> Any:
    """What a base's files say of generation: a function from a key to its value, None where it is open."""
    own: dict[str, Any] = {}
    if base.folder is not None and (base.folder / GENERATION).is_file():
        try:
            own = json.loads((base.folder / GENERATION).read_text("utf-8"))
        except ValueError as error:
            raise BaseError(f"{base.folder / GENERATION}: not valid JSON ({error}). Copy the file again.") from error

    def value(key: str) -> Any:
        return own[key] if own.get(key) is not None else getattr(base.config, key, None)

    return value


def _banned(said: Any) -> tuple[int, ...]:
    """Single tokens only: sequences of banned tokens are not known to any seq2seq model of note."""
    words = said("bad_words_ids") or []
    longer = [word for word in words if len(word) != 1]
    if longer:
        raise CapabilityError(
            f"{GENERATION}: bad_words_ids holds sequences of several tokens ({longer[:2]}), which Dianji does not "
            "enforce. Remove them."
        )
    return tuple(sorted({*(int(word[0]) for word in words), *map(int, said("suppress_tokens") or [])}))


def sources(texts: Sequence[str], base: Base, length: int) -> tuple[pa.LargeListArray, np.ndarray]:
    """Tokens of each source, at most ``length``, special ones included; and (texts,) int32, how many it has in all."""
    return _encoded(_reader(base, texts)(list(texts), **_OPTIONS), length, base, "text")


def targets(texts: Sequence[str], base: Base, length: int, end: int) -> tuple[pa.LargeListArray, np.ndarray]:
    """The same of targets, by the tokenizer's target side where it has one; each ends with ``end``."""
    found = _reader(base, texts)(text_target=list(texts), **_OPTIONS)
    return _encoded(found, length, base, "target", end)


def _reader(base: Base, texts: Sequence[str]) -> Any:
    """The tokenizer, for which special tokens that texts spell out are text."""
    return tokenizer_for(base.processor, texts) if base.processor.is_fast else base.processor


#: Not verbose: tokens that are too many are cut here, and counted.
_OPTIONS = {
    "split_special_tokens": True,
    "return_attention_mask": False,
    "return_token_type_ids": False,
    "return_special_tokens_mask": True,
    "verbose": False,
}


def _encoded(
    found: Any, length: int, base: Base, what: str, end: int | None = None
) -> tuple[pa.LargeListArray, np.ndarray]:
    rows, whole = [], []
    for ids, special in zip(found["input_ids"], found["special_tokens_mask"], strict=True):
        if end is not None and (not ids or ids[-1] != end):
            ids, special = [*ids, end], [*special, 1]
        if not ids:  # an empty text, and a tokenizer that adds no special tokens
            ids, special = [_tokens.pad_id(base)], [1]
        whole.append(len(ids))
        rows.append(ids if len(ids) <= length else _cut(ids, special, length, base, what))
    return _tokens.lists(rows), np.array(whole, dtype=np.int32)


def _cut(ids: list[int], special: list[int], length: int, base: Base, what: str) -> list[int]:
    """All special tokens and the first others, ``length`` in all."""
    room = length - sum(special)
    if room < 1:
        raise CapabilityError(
            f"{length} tokens leave no room for the {what} beside {sum(special)} special tokens of base "
            f"'{base.card.name}'. Raise the task's length."
        )
    kept = []
    for token, mark in zip(ids, special, strict=True):
        if mark:
            kept.append(token)
        elif room:
            kept.append(token)
            room -= 1
    return kept


def source_batch(examples: pa.Table, base: Base) -> Batch:
    """``input_ids``, ``attention_mask`` (batch, longest source)."""
    return _tokens.model_inputs(*_tokens.padded(examples["input_ids"], _tokens.pad_id(base)))


def target_batch(examples: pa.Table, base: Base, start: int) -> Batch:
    """``labels`` (batch, longest target), IGNORED where a row has ended; ``decoder_input_ids``: one place behind."""
    ids, real = _tokens.padded(examples["target_ids"], _tokens.pad_id(base))
    labels = np.where(real, ids, IGNORED)
    before = np.concatenate([np.full((len(ids), 1), start, dtype=np.int64), ids[:, :-1]], axis=1)
    return {"labels": torch.from_numpy(labels), "decoder_input_ids": torch.from_numpy(before)}
