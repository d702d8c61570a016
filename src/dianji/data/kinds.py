"""Columns as tasks want them: text and label as strings, labels as lists of strings, images as bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import describe, is_binary, is_image, is_list, is_string
from dianji.data.columns import Kind
from dianji.data.findings import Findings
from dianji.data.images import binary_array
from dianji.errors import DataError


@dataclass(frozen=True)
class Cells:
    """A column of one file: its values, what it is called in the data, and where its rows and files stand."""

    values: pa.ChunkedArray
    name: str
    sources: Sequence[str] | pa.ChunkedArray
    folder: Path = Path()
    #: Whether a missing label is no fault because cleaning will remove its row.
    drops_empty: bool = False
    #: Whether a missing text is a fault and no empty text.
    whole: bool = False

    def where(self, row: int) -> str:
        """The source of a row, for messages."""
        return str(self.sources[row])

    def wrong(self, expected: str, advice: str) -> DataError:
        """The error about a column of the wrong type."""
        file = self.where(0).partition(", ")[0] if len(self.values) else "the data"
        return DataError(
            f"{file}: column '{self.name}' holds {describe(self.values.type)} where {expected} is expected. {advice}"
        )


def convert(cells: Cells, kind: Kind, findings: Findings) -> pa.ChunkedArray:
    """The column as ``kind`` wants it. Faults of single rows go to ``findings``.

    Raises:
        DataError: the column as a whole is of another type.
    """
    values = _plain(cells.values)
    return _CONVERTERS[kind](values, cells, findings)


def _text(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    if pa.types.is_null(values.type):
        values = values.cast(pa.string())
    if not is_string(values.type):
        advice = "Name another column, or write the values as text."
        if is_list(values.type):
            advice = "Join each list into one text first, or name another column."
        raise cells.wrong("text", advice)
    if cells.whole:
        for row in np.flatnonzero(np.asarray(pc.is_null(values).to_numpy(), dtype=bool)).tolist():
            findings.fault(
                f"{cells.where(row)}: the text is missing (column '{cells.name}'). Write it, or remove the row; an "
                "empty text is written as such."
            )
    return pc.fill_null(_strings(values), "")


def _label(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    if is_list(values.type):
        raise cells.wrong(
            "one label per row",
            "A task for several labels per row takes lists; this one takes a string or a whole number.",
        )
    labels = _label_strings(values, cells)
    _missing(pc.fill_null(pc.equal(labels, ""), True), "label", cells, findings)
    return labels


def _labels(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.ChunkedArray:
    if not is_list(values.type):
        joined = _label_strings(values, cells)
        values = pc.split_pattern(joined, "|") if len(joined) else pa.chunked_array([], pa.list_(pa.string()))
    _missing(pc.is_null(values), "list of labels", cells, findings)
    flat = _label_strings(pc.list_flatten(values), cells)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0).to_numpy(), dtype=np.int64)
    owner = np.repeat(np.arange(len(values)), lengths)
    return _regroup(flat.to_pylist(), owner, len(values))


def _regroup(flat: Sequence[str | None], owner: np.ndarray, rows: int) -> pa.ChunkedArray:
    """Lists again, without empty names and without a name twice."""
    lists: list[dict[str, None]] = [{} for _ in range(rows)]
    for row, label in zip(owner.tolist(), flat, strict=True):
        if label:
            lists[row][label] = None
    return pa.chunked_array([pa.array([list(item) for item in lists], pa.list_(pa.string()))])


def _label_strings(values: pa.ChunkedArray, cells: Cells) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        raise cells.wrong(
            "a string or a whole number",
            "Class numbers beside empty cells become fractions in pandas: write them as whole numbers or names.",
        )
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return values.cast(pa.string())
    if not is_string(kind):
        raise cells.wrong("a string or a whole number", "Name another column.")
    return pc.utf8_trim_whitespace(_strings(values))


def _missing(mask: pa.ChunkedArray, noun: str, cells: Cells, findings: Findings) -> None:
    if cells.drops_empty:
        return
    for row in np.flatnonzero(np.asarray(mask.to_numpy(), dtype=bool)).tolist():
        findings.fault(
            f"{cells.where(row)}: the {noun} is missing (column '{cells.name}'). Write it, or drop such rows with "
            f"clean: {{drop_empty: true}}."
        )


def _image(values: pa.ChunkedArray, cells: Cells, findings: Findings) -> pa.Array:
    if is_binary(values.type):
        contents, paths = values.to_pylist(), [None] * len(values)
    elif is_string(values.type):
        contents, paths = [None] * len(values), values.to_pylist()
    elif is_image(values.type):
        rows = values.to_pylist()
        contents = [row and row.get("bytes") for row in rows]
        paths = [row and row.get("path") for row in rows]
    else:
        raise cells.wrong("an image (a path, bytes, or a struct of bytes and path)", "Name another column.")
    return binary_array(
        [
            _content(content, path, row, cells, findings)
            for row, (content, path) in enumerate(zip(contents, paths, strict=True))
        ]
    )


def _content(content: bytes | None, path: str | None, row: int, cells: Cells, findings: Findings) -> bytes | None:
    if content:
        return content
    if path:
        try:
            return (cells.folder / path).read_bytes()
        except OSError as error:
            findings.fault(
                f"{cells.where(row)}: the image {path} cannot be read ({error.strerror}). Paths are relative to "
                f"{cells.folder.absolute()}."
            )
            return None
    if not cells.drops_empty:
        findings.fault(
            f"{cells.where(row)}: the image is missing (column '{cells.name}'). Add it, or drop such rows with "
            f"clean: {{drop_empty: true}}."
        )
    return None


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _strings(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """As ``string`` where its 32-bit offsets reach, else ``large_string``."""
    return values.cast(pa.string()) if values.nbytes < 2**30 else values.cast(pa.large_string())


_CONVERTERS: dict[Kind, Callable[[pa.ChunkedArray, Cells, Findings], pa.ChunkedArray]] = {
    "text": _text,
    "label": _label,
    "labels": _labels,
    "image": _image,
}
