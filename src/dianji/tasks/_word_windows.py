"""Words as tokens, in windows that overlap and lose nothing: every word is read by one window that owns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.errors import CapabilityError
from dianji.tasks import _tokens
from dianji.tasks._words import Passage

#: What a byte-level tokenizer writes for a space before a word.
_SPACE_MARK = "Ġ"

#: Bits of ``edges``.
BEGINS, ENDS = 1, 2


@dataclass(frozen=True)
class WordWindows:
    """Arrays with an entry per window."""

    tokens: pa.LargeListArray
    rows: np.ndarray  # (windows,) int64: which passage
    #: Position of the first token of each word that the window owns.
    firsts: pa.LargeListArray
    #: (windows, 2) int64: the words it owns, by their number in the passage; the second one is excluded.
    owned: np.ndarray
    edges: np.ndarray  # (windows,) int8: whether it owns the first word of its passage, the last one, or both

    def table(self, **columns: pa.Array) -> pa.Table:
        """``row``, ``length``, ``input_ids``, ``firsts``, ``edges``, then ``columns``."""
        return _tokens.Windows(self.tokens, self.rows).table(
            firsts=self.firsts, edges=pa.array(self.edges, pa.int8()), **columns
        )


@dataclass(frozen=True)
class _Window:
    first: int  # word
    stop: int
    owned: int
    owned_stop: int


def word_windows(passages: Sequence[Passage], base: Base, length: int, overlap: int) -> WordWindows:
    """Every passage in windows of at most ``length`` tokens, at least one each.

    Neighbouring windows share words of up to ``overlap`` tokens; each owns the half that it reads with more context. A
    word of more tokens than a window holds is read by its beginning; one of no token is read as the unknown token.

    Raises:
        CapabilityError: the tokenizer is not a fast one, or adds special tokens between words.
    """
    before, after = _surroundings(base)
    room = length - len(before) - len(after)
    vocabulary = _Pieces(base, passages)
    ids: list[list[int]] = []
    firsts: list[list[int]] = []
    rows: list[int] = []
    owned: list[tuple[int, int]] = []
    edges: list[int] = []
    for row, passage in enumerate(passages):
        pieces = [tokens[:room] for tokens in vocabulary.of(passage)]
        starts = [0, *accumulate(map(len, pieces))]
        for window in _cut(starts, room, min(overlap, room - 1)):
            ids.append(
                [*before, *chain.from_iterable(pieces[window.first : window.stop]), *after] or [vocabulary.unknown]
            )
            shift = len(before) - starts[window.first]
            firsts.append([start + shift for start in starts[window.owned : window.owned_stop]])
            rows.append(row)
            owned.append((window.owned, window.owned_stop))
            edges.append(BEGINS * (window.owned == 0) + ENDS * (window.owned_stop == len(passage)))
    return WordWindows(
        _tokens.lists(ids),
        np.array(rows, dtype=np.int64),
        _tokens.lists(firsts),
        np.array(owned, dtype=np.int64).reshape(-1, 2),
        np.array(edges, dtype=np.int8),
    )


def _cut(starts: Sequence[int], room: int, overlap: int) -> Iterator[_Window]:
    """Windows over words of which word ``i`` has the tokens ``starts[i]`` to ``starts[i + 1]``."""
    words, first, owned = len(starts) - 1, 0, 0
    while True:
        stop = first
        while stop < words and starts[stop + 1] - starts[first] <= room:
            stop += 1
        if stop == words:
            yield _Window(first, stop, owned, stop)
            return
        following = stop  # the first word of the next window, which must have room for the word at ``stop``
        most = min(overlap, room - (starts[stop + 1] - starts[stop]))
        while following > first + 1 and starts[stop] - starts[following - 1] <= most:
            following -= 1
        middle = (starts[following] + starts[stop]) / 2
        boundary = following
        while boundary < stop and starts[boundary] < middle:
            boundary += 1
        yield _Window(first, stop, owned, boundary)
        first, owned = following, boundary


class _Pieces:
    """Word -> token numbers; each different word is encoded once."""

    def __init__(self, base: Base, passages: Sequence[Passage]) -> None:
        tokenizer = base.processor
        if not tokenizer.is_fast:
            raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
        unknown = (tokenizer.unk_token_id, tokenizer.eos_token_id, 0)
        self.unknown = int(next(number for number in unknown if number is not None))
        self._marks_spaces = _marks_spaces(tokenizer)
        different = list(dict.fromkeys(chain.from_iterable(map(self._written, passages))))
        encoded = _encode(tokenizer, different) if different else []
        self._known = dict(zip(different, encoded, strict=True))

    def of(self, passage: Passage) -> list[list[int]]:
        """The tokens of each word, at least one."""
        return [self._known[word] or [self.unknown] for word in self._written(passage)]

    def _written(self, passage: Passage) -> list[str]:
        if not self._marks_spaces:
            return passage.words
        return [f" {word}" if spaced else word for word, spaced in zip(passage.words, passage.spaced, strict=True)]


def _encode(tokenizer: Any, words: list[str]) -> list[list[int]]:
    """Names of special tokens that stand in a text are text."""
    found: list[list[int]] = tokenizer(
        words,
        add_special_tokens=False,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    return found


def _marks_spaces(tokenizer: Any) -> bool:
    """Whether a word has other tokens where a space stands before it, as in byte-level vocabularies."""
    with_space, without = (tokenizer.convert_ids_to_tokens(ids) for ids in _encode(tokenizer, [" a", "a"]))
    return bool(with_space != without and str(with_space[0]).startswith(_SPACE_MARK))


def _surroundings(base: Base) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    encoding = base.processor(["a"], return_attention_mask=False, return_token_type_ids=False).encodings[0]
    text = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    if not text:
        raise CapabilityError(
            f"the tokenizer of base '{base.card.name}' gives no token for the letter a. Choose another base."
        )
    return encoding.ids[: text[0]], encoding.ids[text[-1] + 1 :]
