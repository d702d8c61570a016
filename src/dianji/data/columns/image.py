"""Image: the bytes of an image file."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_binary, is_image, is_string
from dianji.data.columns.base import Cells, ColumnKind, Sample, Vocabulary, digests, plain
from dianji.data.findings import Findings
from dianji.data.images import SUFFIXES, binary_array, header
from dianji.data.quality.pictures import Pictures
from dianji.errors import DataError
from dianji.registry import component

_LISTED = 10  # sizes that a description names
_CELLS, _CELL = 8, 8  # an invented picture is _CELLS × _CELLS squares of _CELL pixels each


@component("column", "image")
@dataclass(frozen=True)
class Image(ColumnKind):
    """A path, the bytes of a file, or a struct with ``bytes`` and ``path``; held as bytes."""

    arrow: ClassVar[pa.DataType] = pa.binary()
    modality: ClassVar[str] = "image"
    names_files: ClassVar[bool] = True
    readable: ClassVar[bool] = False
    reported_as: ClassVar[str] = "images"
    telling: ClassVar[re.Pattern[str]] = re.compile(r"image|img|picture|photo|file_?name|path|图", re.IGNORECASE)

    def accepts(self, type_: pa.DataType) -> bool:
        """Paths, bytes, or structs that hold them."""
        return is_image(type_) or is_binary(type_) or is_string(type_)

    def convert(self, cells: Cells, findings: Findings) -> pa.Array:
        """The bytes of every file; one that cannot be read or is missing is a fault.

        Raises:
            DataError: the column holds something else.
        """
        values = plain(cells.values)
        if pa.types.is_null(values.type):
            contents, paths = [None] * len(values), [None] * len(values)
        elif is_binary(values.type):
            contents, paths = values.to_pylist(), [None] * len(values)
        elif is_string(values.type):
            contents, paths = [None] * len(values), values.to_pylist()
        elif is_image(values.type):
            rows = values.to_pylist()
            contents = [row and row.get("bytes") for row in rows]
            paths = [row and row.get("path") for row in rows]
        else:
            raise cells.wrong("an image (a path, bytes, or a struct of bytes and path)", "Name another column.")
        pairs = enumerate(zip(contents, paths, strict=True))
        return binary_array([_content(content, path, row, cells, findings) for row, (content, path) in pairs])

    def files(self, values: pa.ChunkedArray, folder: Path) -> list[Path]:
        """Those that exist; missing ones are reported by ``convert``."""
        if pa.types.is_struct(values.type) and min(map(values.type.get_field_index, ("path", "bytes"))) >= 0:
            values = pc.struct_field(values, "path").filter(pc.is_null(pc.struct_field(values, "bytes")))
        if not is_string(values.type):
            return []
        return [folder / path for path in values.to_pylist() if path and (folder / path).is_file()]

    def check(self, cells: Cells, findings: Findings) -> dict[str, Any]:
        """Sizes, modes and formats by the files' headers; a file that is no image is a fault."""
        sizes: Counter[str] = Counter()
        modes: Counter[str] = Counter()
        formats: Counter[str] = Counter()
        for row, value in enumerate(each(cells.values)):
            if value is None:
                continue
            try:
                (width, height), mode, format_ = header(value, cells.where(row))
            except DataError as error:
                findings.fault(str(error))
                continue
            sizes[f"{width}x{height}"] += 1
            modes[mode] += 1
            formats[format_] += 1
        return {
            "sizes": dict(sizes.most_common(_LISTED)),
            "distinct_sizes": len(sizes),
            "modes": dict(modes.most_common()),
            "formats": dict(formats.most_common()),
        }

    def hash(self, values: pa.ChunkedArray) -> np.ndarray:
        """Of the files' bytes."""
        return digests(b"" if value is None else value for value in each(values))

    def likeness(self) -> Pictures:
        """By perceptual hashes."""
        return Pictures()

    def show(self, value: Any) -> str:
        """How large the file is."""
        return "" if value is None else f"an image of {len(value):,} bytes"

    def to_json(self, values: pa.ChunkedArray) -> list[str | None]:
        """Base64."""
        return [None if value is None else base64.b64encode(value).decode("ascii") for value in each(values)]

    def from_json(self, values: Sequence[Any]) -> pa.Array:
        """Base64.

        Raises:
            DataError: a value is none.
        """
        return binary_array([_decoded(value, f"row {number}") for number, value in enumerate(values, start=1)])

    def given(self, values: Sequence[Any]) -> pa.Array:
        """Bytes, or paths of files.

        Raises:
            DataError: a value is neither, or a file cannot be read.
        """
        return binary_array([_given(value, f"row {number}") for number, value in enumerate(values, start=1)])

    def to_probe(self, values: pa.ChunkedArray) -> tuple[list[Any], dict[str, np.ndarray]]:
        """Bytes one after the other in one tensor, and their lengths."""
        blobs = [value or b"" for value in each(values)]
        return [len(blob) for blob in blobs], {"bytes": np.frombuffer(b"".join(blobs), dtype=np.uint8)}

    def from_probe(self, values: Sequence[Any], tensors: Mapping[str, np.ndarray]) -> pa.Array:
        """Inverse of ``to_probe``."""
        ends = np.cumsum(np.asarray(values, dtype=np.int64))
        whole = tensors["bytes"].tobytes()
        return binary_array([whole[end - length : end] for end, length in zip(ends.tolist(), values, strict=True)])

    def invent(self, count: int, rng: np.random.Generator, like: Vocabulary) -> pa.Array:
        """PPM files of coloured squares: a header and the pixels."""
        return pa.array([_picture(rng) for _ in range(count)], pa.binary())

    def looks_like(self, sample: Sample) -> float:
        """Bytes, structs with bytes, or paths with the ending of an image file."""
        if is_image(sample.type):
            return 0.9
        if not is_string(sample.type) or not sample.values:
            return 0.0
        return 0.9 if all(PurePath(value).suffix.lower() in SUFFIXES for value in sample.values) else 0.0


def each(values: pa.ChunkedArray | pa.Array) -> Any:
    """One value after the other, so that no second copy of all bytes is made."""
    for value in values:
        yield value.as_py()


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


def _given(value: Any, where: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str | Path):
        raise DataError(f"{where}: expected an image (a path or bytes), found {type(value).__name__}.")
    try:
        return Path(value).read_bytes()
    except OSError as error:
        raise DataError(f"{where}: {value} cannot be read ({error.strerror}). Check the path.") from None


def _decoded(value: Any, where: str) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected an image in base64, found {str(value)[:40]!r}.") from None


def _picture(rng: np.random.Generator) -> bytes:
    cells = rng.integers(0, 256, size=(_CELLS, _CELLS, 3), dtype=np.uint8)
    pixels = cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    return f"P6 {_CELLS * _CELL} {_CELLS * _CELL} 255\n".encode() + pixels.tobytes()
