"""Texts to token columns, and token columns to padded batches without a Python loop over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.errors import CapabilityError
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
_CHUNK = 4096  # texts; bounds the memory that encodings take


@dataclass(frozen=True)
class Windows:
    """Texts as token numbers."""

    tokens: list[list[int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # which text a window is of
    #: The tokenizer's word of each token, -1 for special ones; empty unless asked for.
    words: list[list[int]] = field(default_factory=list)

    def table(self, **columns: pa.Array) -> pa.Table:
        """``row``, ``length``, ``input_ids``, then ``columns``."""
        return pa.table(
            {
                "row": pa.array(self.rows, pa.int64()),
                "length": pa.array([len(window) for window in self.tokens], pa.int32()),
                "input_ids": pa.array(self.tokens, TOKENS),
                **columns,
            }
        )


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


def beginnings(texts: Sequence[str], base: Base, length: int) -> tuple[Windows, list[bool]]:
    """One window per text: its first ``length`` tokens, special ones included; and whether it had more."""
    found, more = Windows(rows=list(range(len(texts)))), list[bool]()
    for start in range(0, len(texts), _CHUNK):
        encoded = _call(base, texts[start : start + _CHUNK], length)
        found.tokens.extend(_nothing_empty(encoded["input_ids"], base))
        more.extend(bool(encoding.overflowing) for encoding in encoded.encodings)
    return found, more


def windows(texts: Sequence[str], base: Base, length: int, *, words: bool = False) -> Windows:
    """All of every text, in windows of at most ``length`` tokens that do not overlap; at least one per text."""
    found = Windows()
    for start in range(0, len(texts), _CHUNK):
        encoded = _call(base, texts[start : start + _CHUNK], length, return_overflowing_tokens=True)
        found.tokens.extend(_nothing_empty(encoded["input_ids"], base))
        found.rows.extend(start + row for row in encoded["overflow_to_sample_mapping"])
        if words:
            found.words.extend(
                [-1 if word is None else word for word in encoding.word_ids] or [-1] for encoding in encoded.encodings
            )
    return found


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


def _nothing_empty(tokens: list[list[int]], base: Base) -> list[list[int]]:
    """An empty text still needs a token, where the tokenizer adds no special ones."""
    numbers = (base.processor.bos_token_id, base.processor.eos_token_id, base.processor.unk_token_id, 0)
    stand_in = next(number for number in numbers if number is not None)
    return [window or [stand_in] for window in tokens]


def _call(base: Base, texts: Sequence[str], length: int, **options: Any) -> Any:
    if not base.processor.is_fast:  # the others know neither what they cut off nor which word a token is of
        raise CapabilityError(f"the tokenizer of base '{base.card.name}' has no fast version. Choose another base.")
    return base.processor(
        list(texts),
        truncation=True,
        max_length=length,
        return_attention_mask=False,
        return_token_type_ids=False,
        **options,
    )
