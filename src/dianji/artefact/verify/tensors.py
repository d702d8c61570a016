"""Examines a safetensors file: a sound header, unique keys, no gaps, finite numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from dianji.artefact.verify.strict_json import loads
from dianji.bases.weights import check_safetensors
from dianji.errors import BaseError

#: Of one number, in bytes.
WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4}
WIDTHS |= {"U64": 8, "I64": 8, "F64": 8}
FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
#: Numbers that are looked at together, so that large weights need little memory.
AT_ONCE = 2**24


def faults_of(file: Path) -> Iterator[str]:
    """Every fault of the file, in words."""
    try:
        check_safetensors(file)
        start, header = _header(file)
    except (BaseError, ValueError) as error:
        yield str(error).removeprefix(f"{file} ")
        return
    header.pop("__metadata__", None)
    told = [fault for name, entry in header.items() for fault in _of_entry(name, entry)]
    spans = sorted(tuple(entry["data_offsets"]) for entry in header.values())
    if any(before[1] != after[0] for before, after in pairwise([(0, 0), *spans])):
        told.append("its tensors overlap, or leave room between them for something else")
    yield from told
    if not told:
        for name, entry in header.items():
            if not _finite(file, start + entry["data_offsets"][0], entry):
                yield f"tensor '{name}' holds values that are no numbers (NaN or infinity)"


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where the data starts, and the header; ``ValueError`` where a key stands twice."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return 8 + length, loads(stream.read(length))


def _of_entry(name: str, entry: dict[str, Any]) -> Iterator[str]:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if dtype not in WIDTHS:
        yield f"tensor '{name}' is of the unknown type {dtype!r}"
    elif not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        yield f"tensor '{name}' has no shape"
    else:
        begin, end = entry["data_offsets"]
        expected = int(np.prod(shape, dtype=object)) * WIDTHS[dtype]
        if end - begin != expected:
            yield f"tensor '{name}' of shape {shape} takes {expected} bytes, its header gives it {end - begin}"


def _finite(file: Path, offset: int, entry: dict[str, Any]) -> bool:
    count = (entry["data_offsets"][1] - entry["data_offsets"][0]) // WIDTHS[entry["dtype"]]
    if count == 0 or entry["dtype"] not in {*FLOATS, "BF16"}:
        return True
    values = np.memmap(file, FLOATS.get(entry["dtype"], "<u2"), "r", offset, (count,))
    pieces = (values[start : start + AT_ONCE] for start in range(0, count, AT_ONCE))
    if entry["dtype"] == "BF16":  # all bits of the exponent set
        return all(bool(((piece & 0x7F80) != 0x7F80).all()) for piece in pieces)
    return all(bool(np.isfinite(piece).all()) for piece in pieces)
