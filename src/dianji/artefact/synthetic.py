"""Invented rows for a probe whose artefact may leave where data may not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.errors import CapabilityError

TOKENS = 32  # of the longest text
CELLS, CELL = 8, 8  # a picture is CELLS × CELLS squares of CELL pixels each


def invented(columns: Mapping[str, Column], base: Base, rows: int, rng: np.random.Generator) -> pa.Table:
    """``rows`` rows of a task's input columns: texts of the tokenizer's own tokens, pictures of coloured squares.

    Raises:
        CapabilityError: a column is neither text nor image.
    """
    found: dict[str, pa.Array] = {}
    for name, column in columns.items():
        if column.target:
            continue
        if column.kind == "text":
            found[name] = pa.array(_texts(base, rows, rng), pa.string())
        elif column.kind == "image":
            found[name] = pa.array([_picture(rng) for _ in range(rows)], pa.binary())
        else:
            raise CapabilityError(
                f"probe: synthetic makes up texts and images, and the task reads '{name}' of kind {column.kind}. "
                "Write probe: validation."
            )
    return pa.table(found)


def _texts(base: Base, rows: int, rng: np.random.Generator) -> list[str]:
    """Texts of 1 to ``TOKENS`` tokens each, so that the probe covers padding."""
    tokenizer = base.processor
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    lengths = 1 + np.arange(rows) % TOKENS
    return [str(tokenizer.decode(rng.choice(ordinary, size=length).tolist())) for length in lengths]


def _picture(rng: np.random.Generator) -> bytes:
    """A PPM file: a header and the pixels."""
    cells = rng.integers(0, 256, size=(CELLS, CELLS, 3), dtype=np.uint8)
    pixels = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    return f"P6 {CELLS * CELL} {CELLS * CELL} 255\n".encode() + pixels.tobytes()
