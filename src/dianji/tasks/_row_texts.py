"""Rows with several texts each: encoded into one list of tokens per row, and batched as (rows, texts, time)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.evaluate.ranked import Questions
from dianji.tasks import _tokens
from dianji.tasks._forms import FormName
from dianji.tasks.truncation import WHOLE

#: Texts of its own class that an example of a class is stored with; training draws one of them for each batch.
PARTNERS = 4


def encoded(texts: Sequence[Sequence[str]], base: Base, length: int, members: np.ndarray | None = None) -> pa.Table:
    """Examples of rows with texts.

    Args:
        texts: columns of texts, one text per row each.
        base: whose tokenizer is used.
        length: tokens that are read of a text.
        members: (rows, texts of a row) int64: rows of the first column that belong to each row; None: all columns do.

    Returns:
        ``row``; ``length``, tokens of the row's longest own text; ``input_ids``, the tokens of all texts of the row,
        one text after the other; ``sizes``, tokens of each text; ``numbers``, equal for texts of equal tokens;
        ``whole``.
    """
    rows = len(texts[0])
    parts = [_tokens.beginnings(column, base, length) for column in texts]
    pool = pa.concat_arrays([windows.tokens for windows, _ in parts])
    whole = np.concatenate([of for _, of in parts])
    own = 1 if members is not None else len(texts)
    if members is None:
        members = np.arange(rows * len(texts)).reshape(len(texts), rows).T
    number, count = numbered(pool), members.shape[1]
    taken = pool.take(pa.array(members.ravel()))
    ends = taken.offsets.to_numpy()
    sizes = np.diff(ends).reshape(rows, count)
    every = np.arange(rows + 1) * count
    return pa.table(
        {
            "row": pa.array(np.arange(rows), pa.int64()),
            "length": pa.array(sizes[:, :own].max(axis=1, initial=1), pa.int32()),
            "input_ids": pa.LargeListArray.from_arrays(ends[::count], taken.flatten()),
            "sizes": pa.LargeListArray.from_arrays(every, pa.array(sizes.ravel(), pa.int32())),
            "numbers": pa.LargeListArray.from_arrays(every, pa.array(number[members.ravel()], pa.int64())),
            WHOLE: pa.array(whole[members[:, :own]].max(axis=1, initial=0), pa.int32()),
        }
    )


def numbered(texts: pa.LargeListArray) -> np.ndarray:
    """(texts,) int64 ≥ 0: a hash of the tokens, which is the same in every table."""
    ends, tokens = texts.offsets.to_numpy(), texts.flatten().to_numpy()
    hashed = (
        hashlib.blake2b(tokens[start:stop].tobytes(), digest_size=8).digest()
        for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    )
    found = np.frombuffer(b"".join(hashed), dtype="<u8") >> np.uint64(1)
    return found.astype(np.int64)


def keyed(names: Sequence[str]) -> np.ndarray:
    """(names,) int64 ≥ 0: a hash of each name."""
    hashed = b"".join(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return (np.frombuffer(hashed, dtype="<u8") >> np.uint64(1)).astype(np.int64)


def classmates(key: np.ndarray) -> np.ndarray:
    """(rows, 1 + PARTNERS) int64: each row, then rows with its key; the row itself where it is the only one.

    Which ones is random, but the same for the same keys.
    """
    rng = np.random.default_rng(0)
    members = np.repeat(np.arange(len(key))[:, None], 1 + PARTNERS, axis=1)
    order = rng.permutation(len(key))
    order = order[np.argsort(key[order], kind="stable")]
    for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        others = max(1, len(group) - 1)
        for step in range(PARTNERS if len(group) > 1 else 0):
            members[group, 1 + step] = np.roll(group, -1 - step % others)
    return members


@dataclass(frozen=True)
class Grid:
    """Token numbers of some texts of each row, padded."""

    ids: np.ndarray  # (rows, texts, time) int64
    real: np.ndarray  # (rows, texts, time) bool
    numbers: np.ndarray  # (rows, texts) int64


def grid(examples: pa.Table, places: np.ndarray, fill: int) -> Grid:
    """The texts at ``places`` (rows, texts) of each row."""
    held = {name: _lists(examples, name) for name in ("input_ids", "sizes", "numbers")}
    per_row = np.diff(held["sizes"].ends)
    firsts = held["sizes"].ends[:-1, None] + places  # positions among all texts of the table
    sizes = held["sizes"].values
    starts = (np.cumsum(sizes) - sizes) - np.repeat(_first_tokens(sizes, held["sizes"].ends), per_row)
    begins = held["input_ids"].ends[:-1, None] + starts[firsts]
    lengths = sizes[firsts]
    inside = np.arange(lengths.max(initial=1))
    real = inside < lengths[..., None]
    ids = np.full(real.shape, fill, dtype=np.int64)
    ids[real] = held["input_ids"].values[(begins[..., None] + inside)[real]]
    return Grid(ids, real, held["numbers"].values[firsts])


@dataclass(frozen=True)
class _Lists:
    values: np.ndarray
    ends: np.ndarray  # (rows + 1,) from 0


def _lists(examples: pa.Table, name: str) -> _Lists:
    array = examples[name].combine_chunks()
    ends = array.offsets.to_numpy()
    return _Lists(array.flatten().to_numpy(), ends - ends[0])


def _first_tokens(sizes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(rows,) tokens of all texts before each row's first one."""
    before = np.concatenate([[0], np.cumsum(sizes)])
    return np.asarray(before[ends[:-1]])


def scalar(examples: pa.Table, name: str) -> np.ndarray:
    """A column of numbers; a copy, since torch wants to own its memory."""
    return np.array(examples[name].to_numpy())


def texts_per_row(examples: pa.Table) -> int:
    """How many texts each row has; the same for all rows of a table."""
    return int(np.diff(_lists(examples, "sizes").ends).max(initial=1))


def firsts(examples: pa.Table) -> np.ndarray:
    """(rows,) int64: the number of each row's first text."""
    held = _lists(examples, "numbers")
    return np.asarray(held.values[held.ends[:-1]])


def questions(examples: pa.Table, form: FormName) -> Questions:
    """What is looked for among which candidates."""
    rows, held = examples.num_rows, texts_per_row(examples)
    key, own = scalar(examples, "key"), firsts(examples)
    if form == "classes":
        return Questions(key, own, own[:, None], np.ones((rows, 1), dtype=bool), among_themselves=True)
    if form == "texts":
        return Questions(key, np.full(rows, -1), own[:, None], np.ones((rows, 1), dtype=bool))
    numbers = _lists(examples, "numbers").values.reshape(rows, held)[:, 1:]
    positive = np.zeros(numbers.shape, dtype=bool)
    positive[:, 0] = True
    return Questions(key, own, numbers, positive)
