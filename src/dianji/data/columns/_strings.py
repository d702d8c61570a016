"""Arrow text of any width, and lists of texts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def strings(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """As ``string`` where its 32-bit offsets suffice, else as ``large_string``."""
    return values.cast(pa.string()) if values.nbytes < 2**30 else values.cast(pa.large_string())


def normal(text: str) -> str:
    """The text without differences in case and white space."""
    return " ".join(text.casefold().split())


def blank(values: pa.ChunkedArray) -> np.ndarray:
    """(rows,) bool: null, or nothing but white space."""
    lengths = pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(values)), 0)
    return np.asarray(lengths.to_numpy() == 0)


def characters(values: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64."""
    return np.asarray(pc.fill_null(pc.utf8_length(values), 0).to_numpy(), dtype=np.int64)


def list_lengths(values: pa.ChunkedArray) -> np.ndarray:
    """(rows,) int64: items of each list; 0 for null."""
    return np.asarray(pc.fill_null(pc.list_value_length(values), 0).to_numpy(), dtype=np.int64)
