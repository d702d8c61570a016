"""Which tokens are masked, and by what (Devlin et al., 2019, arXiv:1810.04805); whole words and Han spans."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np

#: Marks in a column of words: a special token; a token of Han characters, which come without spaces between words.
SPECIAL, HAN = -1, -2
#: Shares of Han spans of 1, 2, 3 and 4 tokens, as in MacBERT (Cui et al., 2020, arXiv:2004.13922).
_SPANS = (0.4, 0.3, 0.2, 0.1)
_MASKED, _REPLACED = 0.8, 0.1

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")
_MARKS = re.compile(r"^(##|▁|Ġ)")


def draws(ids: np.ndarray, real: np.ndarray, rng: np.random.Generator, *, training: bool) -> np.ndarray:
    """(3, batch, time) uniform in [0, 1): for choosing, for corrupting, for spans.

    In training they come from ``rng``. Otherwise they follow from each example's own tokens, so that its score depends
    neither on its batch nor on when it is measured.
    """
    if training:
        return rng.random((3, *ids.shape))
    drawn = np.zeros((3, *ids.shape))
    for row, length in enumerate(real.sum(axis=1)):
        own = np.random.default_rng(zlib.crc32(ids[row, :length].tobytes()))
        drawn[:, row, :length] = own.random((3, length))
    return drawn


def choose(maskable: np.ndarray, starts: np.ndarray, draw: np.ndarray, probability: float) -> np.ndarray:
    """(batch, time) bool: each unit is chosen with ``probability``; at least one of an example that has any.

    Args:
        maskable: (batch, time) bool.
        starts: (batch, time) bool, where a unit begins; units are chosen whole.
        draw: (batch, time) uniform; a unit goes by the draw of its first token.
        probability: of a unit.
    """
    starts = starts.copy()
    starts[:, :1] = True
    unit = np.cumsum(starts.ravel()) - 1
    own = np.where(maskable, draw[starts][unit].reshape(draw.shape), np.inf)
    least = own.min(axis=1, keepdims=True, initial=np.inf)
    chosen: np.ndarray = maskable & (own <= np.maximum(probability, least))
    return chosen


def corrupt(ids: np.ndarray, chosen: np.ndarray, draw: np.ndarray, mask: int, ordinary: np.ndarray) -> np.ndarray:
    """The ids with 80 % of the chosen ones masked, 10 % replaced by one of ``ordinary``, 10 % left as they are."""
    # The part of the draw above 0.8 is itself uniform, and picks the replacement.
    pick = np.clip((draw - _MASKED) / _REPLACED, 0, np.nextafter(1, 0))
    replacement = ordinary[(pick * len(ordinary)).astype(np.int64)]
    replaced = np.where(draw < _MASKED + _REPLACED, replacement, ids)
    corrupted: np.ndarray = np.where(chosen, np.where(draw < _MASKED, mask, replaced), ids)
    return corrupted


def word_starts(words: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """(batch, time) bool: where a word begins, or a span in a run of Han tokens.

    Args:
        words: (batch, time) the tokenizer's word of each token, SPECIAL or HAN.
        draw: (batch, time) uniform; decides the length of the span that begins at a token.
    """
    before = np.concatenate([np.full((len(words), 1), SPECIAL), words[:, :-1]], axis=1)
    fresh = words != before  # the first token of a word, or of a run of Han tokens
    lengths: np.ndarray = np.searchsorted(np.cumsum(_SPANS)[:-1], draw, side="right") + 1
    starts: np.ndarray = np.ones_like(fresh)
    left = np.zeros(len(words), dtype=np.int64)
    for column in range(words.shape[1]):
        span = fresh[:, column] | (left == 0)
        left = np.where(span, lengths[:, column], left) - 1
        starts[:, column] = np.where(words[:, column] == HAN, span, fresh[:, column])
    return starts


def mark_han(tokens: np.ndarray, words: np.ndarray, processor: Any) -> np.ndarray:
    """The words with HAN in the place of every token that is made of Han characters; both are (tokens,)."""
    vocabulary = processor.convert_ids_to_tokens(range(len(processor)))
    han = np.array([_HAN.fullmatch(_MARKS.sub("", token)) is not None for token in vocabulary], dtype=bool)
    return np.where(han[tokens] & (words != SPECIAL), HAN, words)


def ordinary_tokens(processor: Any, vocabulary: int) -> np.ndarray:
    """Every token number below ``vocabulary`` that is not special."""
    special = [number for number in processor.all_special_ids if number < vocabulary]
    return np.delete(np.arange(min(vocabulary, len(processor))), special)
