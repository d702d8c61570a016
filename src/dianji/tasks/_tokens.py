"""Texts to token columns, and token columns to padded batches without a Python loop over tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from dianji.bases.base import Base
from dianji.data.source import pieces
from dianji.errors import CapabilityError
from dianji.tasks._special import tokenizer_for
from dianji.tasks.base import Batch

#: Architectures that number positions from the padding id + 1 on, so that two of their positions are never used.
_SHIFTED = frozenset(
    {
        "camembert", "data2vec-text", "esm", "ibert", "longformer", "mpnet",
        "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
TOKENS = pa.large_list(pa.int32())
#: Tokenizers without a limit say so by a very large number.
_UNLIMITED = 10**9
_CHARACTERS = 2**20  # of the texts that are encoded at a time


@dataclass(frozen=True)
class Windows:
    """Texts as token numbers; arrays with an entry per window."""

    tokens: pa.LargeListArray
    rows: np.ndarray  # which text a window is of
    #: The tokenizer's word of each token, -1 for special ones; None unless asked for.
    words: pa.LargeListArray | None = None

    def table(self, **columns: pa.Array) -> pa.Table:
        """``row``, ``length``, ``input_ids``, then ``columns``."""
        length = pc.list_value_length(self.tokens).cast(pa.int32())
        return pa.table({"row": pa.array(self.rows, pa.int64()), "length": length, "input_ids": self.tokens, **columns})


def longest(base: Base) -> int:
    """The most tokens the base takes, special ones included."""
    limits = [_UNLIMITED, int(min(base.processor.model_max_length, _UNLIMITED))]
    positions = getattr(base.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        unused = (getattr(base.config, "pad_token_id", None) or 0) + 1 if base.config.model_type in _SHIFTED else 0
        limits.append(positions - unused)
    return min(limits)


def limit(base: Base, wanted: int | None, default: int) -> int:
    """Tokens per example: ``wanted``, else ``default`` or what the base takes if that is less.

    Raises:
        CapabilityError: the base does not take so many, or there would be no room beside the special tokens.
    """
    most, special = longest(base), base.processor.num_special_tokens_to_add()
    length = min(most, default) if wanted is None else wanted
    if not special < length <= most:
        raise CapabilityError(
            f"length {length} does not fit base '{base.card.name}': expected {special + 1} to {most} tokens, of which "
            f"{special} are special. Set the task's length within that range."
        )
    return length


def beginnings(texts: Sequence[str], base: Base, length: int) -> tuple[Windows, np.ndarray]:
    """One window per text: its first ``length`` tokens, special ones included; and (texts,) int32, how many it has.

    That is more than ``length`` where the text was cut.
    """
    tokens: list[pa.LargeListArray] = []
    whole: list[np.ndarray] = []
    for part in _parts(texts):
        encoded = _call(base, part, length)
        found = lists(_nothing_empty(encoded["input_ids"], base))
        special = base.processor.num_special_tokens_to_add()  # which each overflowing part has too
        cut = [sum(len(rest.ids) - special for rest in encoding.overflowing) for encoding in encoded.encodings]
        tokens.append(found)
        whole.append(np.diff(found.offsets.to_numpy()) + np.array(cut, dtype=np.int64))
    windows = Windows(_joined(tokens), np.arange(len(texts)))
    return windows, np.concatenate([*whole, np.empty(0)]).astype(np.int32)


def windows(texts: Sequence[str], base: Base, length: int, *, words: bool = False, keep: Sequence[str] = ()) -> Windows:
    """All of every text, in windows of at most ``length`` tokens that do not overlap; at least one per text.

    Special tokens that a text spells out are text, but for those in ``keep``.
    """
    tokens: list[pa.LargeListArray] = []
    marked: list[pa.LargeListArray] = []
    rows: list[np.ndarray] = []
    first = 0
    for part in _parts(texts):
        encoded = _call(base, part, length, keep, return_overflowing_tokens=True)
        tokens.append(lists(_nothing_empty(encoded["input_ids"], base)))
        rows.append(np.array(encoded["overflow_to_sample_mapping"], dtype=np.int64) + first)
        first += len(part)
        if words:
            marked.append(
                lists(
                    [
                        [-1 if word is None else word for word in encoding.word_ids] or [-1]
                        for encoding in encoded.encodings
                    ]
                )
            )
    found = np.concatenate([*rows, np.empty(0, dtype=np.int64)])
    return Windows(_joined(tokens), found, _joined(marked) if words else None)


def starts(texts: Sequence[str], base: Base) -> list[np.ndarray]:
    """(tokens,) int64 for each text: the character at which each token begins; special tokens are none."""
    found: list[np.ndarray] = []
    for part in _parts(texts):
        encoded = tokenizer_for(base.processor, part, ())(
            part,
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            verbose=False,  # a document longer than the model reads is what this is for
        )
        found += [np.array([begin for begin, _ in places], dtype=np.int64) for places in encoded["offset_mapping"]]
    return found


def lists(values: Sequence[Sequence[int]]) -> pa.LargeListArray:
    """Lists of numbers as one Arrow array, without an Arrow scalar for each number."""
    ends = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)), out=ends[1:])
    flat = np.fromiter(chain.from_iterable(values), dtype=np.int32, count=int(ends[-1]))
    return pa.LargeListArray.from_arrays(ends, flat)


def padded(column: pa.ChunkedArray, fill: int) -> tuple[np.ndarray, np.ndarray]:
    """A list column as (rows, longest) int64 filled up on the right, and where it is not filling (bool)."""
    array = column.combine_chunks()
    lengths = np.diff(array.offsets.to_numpy())
    real = np.arange(lengths.max(initial=0)) < lengths[:, None]
    grid = np.full(real.shape, fill, dtype=np.int64)
    grid[real] = array.flatten().to_numpy()
    return grid, real


def pad_id(base: Base) -> int:
    """The padding token's number; any token's will do where there is none, since padding is masked out."""
    pad = base.processor.pad_token_id
    return int(base.processor.eos_token_id or 0) if pad is None else int(pad)


def model_inputs(ids: np.ndarray, real: np.ndarray) -> Batch:
    """``input_ids`` and ``attention_mask`` (int64).

    Token types are left out: for single texts they are the zeros that every architecture assumes.
    """
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(real.astype(np.int64))}


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Encodings hold a hundred bytes and more for each token: so many texts that this does not matter."""
    return pieces(texts, len, _CHARACTERS)


def _joined(arrays: list[pa.LargeListArray]) -> pa.LargeListArray:
    return pa.concat_arrays(arrays) if arrays else pa.array([], TOKENS)


def _nothing_empty(tokens: list[list[int]], base: Base) -> list[list[int]]:
    """An empty text still needs a token, where the tokenizer adds no special ones."""
    numbers = (base.processor.bos_token_id, base.processor.eos_token_id, base.processor.unk_token_id, 0)
    stand_in = next(number for number in numbers if number is not None)
    return [window or [stand_in] for window in tokens]


def _call(base: Base, texts: Sequence[str], length: int, keep: Sequence[str] = (), **options: Any) -> Any:
    if not base.processor.is_fast:  # the others know neither what they cut off nor which word a token is of
        raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
    return tokenizer_for(base.processor, texts, keep)(
        list(texts),
        split_special_tokens=True,
        truncation=True,
        max_length=length,
        return_attention_mask=False,
        return_token_type_ids=False,
        **options,
    )
