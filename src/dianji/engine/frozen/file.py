"""A file of states: one tensor in safetensors' format, written as it is computed, and memory-mapped."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dianji.store.atomic import sync_folder

#: torch's kind of number -> safetensors' name for it, and the kind by which numpy moves it about.
KINDS: dict[torch.dtype, tuple[str, type[np.generic]]] = {
    torch.float32: ("F32", np.float32),
    torch.float16: ("F16", np.float16),
    torch.bfloat16: ("BF16", np.uint16),
}
_TENSOR = "states"
_LENGTH = 8  # bytes that say how long the header is
_CHUNK = 1 << 24


class Stale(Exception):
    """A file is not as expected; the message says how."""


@dataclass(frozen=True)
class Layout:
    """The expected contents of a file: its key, and the number, type and size of the states."""

    key: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the states."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(KINDS[self.dtype][1]).itemsize

    def header(self, checksum: int) -> bytes:
        """Of equal length for every checksum, so that it can be filled in at the end."""
        tensor = {"dtype": KINDS[self.dtype][0], "shape": list(self.shape), "data_offsets": [0, self.size]}
        header = {"__metadata__": {"key": self.key, "crc32": f"{checksum:08x}"}, _TENSOR: tensor}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # the states begin at a multiple of eight bytes
        return len(text).to_bytes(_LENGTH, "little") + text


def write(path: Path, layout: Layout, blocks: Iterable[np.ndarray]) -> None:
    """Write ``blocks`` one after the other, then rename: the file is there whole, or not at all.

    Raises:
        OSError: the disk is full or cannot be written; nothing is left behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(layout.header(0))
            checksum = 0
            for block in blocks:
                data = np.ascontiguousarray(block).data.cast("B")
                checksum = zlib.crc32(data, checksum)
                file.write(data)
            file.seek(0)
            file.write(layout.header(checksum))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp lets nobody else read
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sweep(path: Path) -> None:
    """Remove the leftovers of killed processes; no other process may be writing this file."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def read(path: Path, layout: Layout) -> np.ndarray:
    """The states, mapped into memory.

    Raises:
        Stale: the file is cut short, damaged, or holds something else.
        OSError: it cannot be read.
    """
    header, begin = _header(path)
    if header != json.loads(layout.header(_checksum(header))[_LENGTH:]):
        raise Stale("it holds other states than these")
    size = path.stat().st_size
    if size != begin + layout.size:
        raise Stale(f"it has {size:,} bytes, not {begin + layout.size:,}")
    if not layout.size:
        return np.zeros(layout.shape, dtype=KINDS[layout.dtype][1])
    mapped = np.memmap(path, dtype=KINDS[layout.dtype][1], mode="r", offset=begin, shape=layout.shape)
    flat = mapped.reshape(-1).view(np.uint8)
    checksum = 0
    for start in range(0, len(flat), _CHUNK):
        checksum = zlib.crc32(flat[start : start + _CHUNK].data, checksum)
    if checksum != _checksum(header):
        raise Stale("its bytes are not those that were written")
    return mapped


def _header(path: Path) -> tuple[Any, int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if not 0 < length <= path.stat().st_size:
            raise Stale("it is cut short")
        try:
            return json.loads(file.read(length)), _LENGTH + length
        except ValueError as error:
            raise Stale("its header cannot be read") from error


def _checksum(header: Any) -> int:
    try:
        return int(header["__metadata__"]["crc32"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise Stale("its header says nothing of its checksum") from error
