"""Tokens of examples that stand for something the base's tokenizer does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.bases.base import Base
from dianji.data.unknown import describe_unknown

_BATCH = 2**14  # examples that are counted at a time


@dataclass(frozen=True)
class UnknownTokens:
    """Counts with an entry per row of the table that the examples are of."""

    unknown: np.ndarray  # (rows,) int64
    tokens: np.ndarray  # (rows,) int64, special ones aside


def count_unknown(examples: pa.Table, base: Base, rows: int) -> UnknownTokens | None:
    """Unknown tokens in every column of token numbers (``input_ids``, or a name that ends so).

    Args:
        examples: with the column ``row``.
        base: whose tokenizer made them.
        rows: how many rows the examples are of.

    Returns:
        None where examples have no tokens, or the tokenizer can write every text: by bytes, for instance.
    """
    unknown = _unknown_id(base.processor)
    names = [name for name in examples.column_names if name.endswith("input_ids")]
    if unknown is None or not names:
        return None
    special = np.array(sorted(set(base.processor.all_special_ids) - {unknown}), dtype=np.int64)
    counts = UnknownTokens(np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64))
    for batch in examples.select(["row", *names]).to_batches(max_chunksize=_BATCH):
        rows_of = batch.column("row").to_numpy()
        for name in names:
            lists = batch.column(name)
            lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
            owner, ids = np.repeat(rows_of, lengths), lists.flatten().to_numpy(zero_copy_only=False)
            np.add.at(counts.unknown, owner[ids == unknown], 1)
            np.add.at(counts.tokens, owner[~np.isin(ids, special)], 1)
    return counts


def share_of_unknown(examples: pa.Table, base: Base, rows: int) -> dict[str, Any] | None:
    """The entry of ``describe_unknown`` for all rows together; None as ``count_unknown`` gives it."""
    counts = count_unknown(examples, base, rows)
    return None if counts is None else describe_unknown(counts.unknown, counts.tokens)


def _unknown_id(processor: Any) -> int | None:
    """The number of the unknown token; None where there is none, or where another special token stands for it."""
    unknown = getattr(processor, "unk_token_id", None)
    named = ("bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id", "sep_token_id", "mask_token_id")
    return None if unknown is None or unknown in {getattr(processor, name, None) for name in named} else int(unknown)
