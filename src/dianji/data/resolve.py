"""From what a recipe says about its data to places and the sources that read them; and what their digest is over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.arrow_types import is_string
from dianji.data.columns import Column
from dianji.data.files import digest_of, expand, file_digest
from dianji.data.findings import Findings
from dianji.data.select import column_of
from dianji.data.sniff import file_format, folder_format
from dianji.data.source import SOURCE, Place, Source
from dianji.data.sources import arrow, images
from dianji.errors import DataError
from dianji.registry import REGISTRY
from dianji.spec.sections import Data


@dataclass(frozen=True)
class Reading:
    """A place and the source that reads it."""

    place: Place
    format: str
    source: Source

    def read(self, encoding: str, findings: Findings) -> pa.Table | None:
        """The place's rows; None and a fault where it cannot be read as a whole."""
        own = Findings()
        try:
            table = self.source.read(self.place, encoding, own)
        except DataError as error:
            findings.fault(str(error))
            table = None
        findings.merge(own)
        return table

    @property
    def role(self) -> str:
        """What the digest calls the place: rows depend on the format and on the split, not on the path."""
        return f"{self.place.split or 'data'} {self.format}"


def resolve(spec: Data, section: str) -> list[Reading]:
    """Everything that is to be read: the data's own places, then files given for validation and test.

    Raises:
        DataError: something does not exist, or is of a kind that no source reads.
        RecipeError: the format or one of its options is unknown.
    """
    readings = _main(spec, section)
    named = {reading.place.name for reading in readings}
    for split, path in (("validation", spec.split.validation), ("test", spec.split.test)):
        if isinstance(path, str):
            given = (
                spec if _reads(spec.format) != "service" else spec.model_copy(update={"format": "auto", "options": {}})
            )
            for reading in places(path, given.format, given.options):
                name = reading.place.path if reading.place.name in named else reading.place.name
                readings.append(replace(reading, place=replace(reading.place, split=split, name=name)))
    return readings


def places(path: str | Sequence[str], format_: str, options: Mapping[str, object]) -> list[Reading]:
    """Readings of a path, a glob, a folder, ``-``, or several of them."""
    if format_ != "auto":
        found = expand(path, whole=_reads(format_) == "folder")
        return [reading_of(place, format_, options) for place in found]
    readings: list[Reading] = []
    whole: list[str] = []
    parts: list[str] = []
    for item in [path] if isinstance(path, str) else path:
        (whole if folder_format(Path(item).expanduser()) else parts).append(item)
    for place in expand(whole, whole=True) if whole else []:
        readings.append(reading_of(place, folder_format(Path(place.path)) or "", options))
    if parts or not readings:
        readings += [
            reading_of(place, folder_format(Path(place.path)) or file_format(place), options) for place in expand(parts)
        ]
    return readings


def digest(readings: Sequence[Reading], tables: Sequence[pa.Table | None], columns: Sequence[str]) -> str:
    """sha256 over the bytes of files, over the rows of services, and over image files that ``columns`` name."""
    total = hashlib.sha256()
    for reading, table in zip(readings, tables, strict=True):
        total.update(f"\n{reading.role}\n".encode())
        if reading.source.reads == "service":
            total.update(_rows_digest(table) if table is not None else b"")
        elif reading.place.content is not None:
            total.update(hashlib.sha256(reading.place.content).digest())
        else:
            total.update(digest_of(_files(reading)).encode())
            for path in _referenced(table, columns, reading.place.folder) if table is not None else []:
                total.update(file_digest(path))
    return total.hexdigest()


def needs_rows(readings: Sequence[Reading], columns: Mapping[str, Column]) -> bool:
    """Whether a digest cannot be had from the files alone."""
    pictures = any(column.kind == "image" for column in columns.values())
    return any(
        reading.source.reads == "service" or (pictures and reading.format not in ("images", "parquet"))
        for reading in readings
    )


def _main(spec: Data, section: str) -> list[Reading]:
    service = _reads(spec.format) == "service"
    if spec.path is None:
        if not service:
            raise DataError(f"{section}: path is missing. Write the file, the folder or the glob that holds the rows.")
        return [reading_of(Place("", section), spec.format, spec.options)]
    if not service:
        return places(spec.path, spec.format, spec.options)
    paths = [spec.path] if isinstance(spec.path, str) else spec.path
    readings: list[Reading] = []
    for path in paths:
        if Path(path).is_dir():  # a folder of the Hub's layout needs neither the Hub nor its package
            readings += places(path, "auto", {})
        else:
            readings.append(reading_of(Place(path, path), spec.format, spec.options))
    return readings


def _reads(format_: str) -> str:
    return "file" if format_ == "auto" else str(REGISTRY.get("source", format_).reads)


def reading_of(place: Place, format_: str, options: Mapping[str, object]) -> Reading:
    """The place with the source of that format."""
    return Reading(place, format_, REGISTRY.build("source", format_, options))


def _files(reading: Reading) -> Iterable[tuple[str, Path]]:
    path = Path(reading.place.path)
    if reading.format == "images" and path.is_dir():  # folders are labels
        return [(file.relative_to(path).as_posix(), file) for file in images.visible(path)]
    if reading.format == "arrow":
        return [(str(number), file) for number, file in enumerate(arrow.parts(path))]
    return [("file", path)]


def _referenced(table: pa.Table, columns: Sequence[str], folder: Path) -> list[Path]:
    """Image files that a table names instead of holding their bytes; missing ones are reported elsewhere."""
    found: list[Path] = []
    for name in columns:
        values = column_of(table, name)
        if values is None:
            continue
        if (
            pa.types.is_struct(values.type)
            and values.type.get_field_index("path") >= 0
            and values.type.get_field_index("bytes") >= 0
        ):
            values = pc.struct_field(values, "path").filter(pc.is_null(pc.struct_field(values, "bytes")))
        if is_string(values.type):
            found += [folder / path for path in values.to_pylist() if path and (folder / path).is_file()]
    return found


def _rows_digest(table: pa.Table) -> bytes:
    """Over names, types and values; fresh buffers, because chunks and offsets of the same rows may differ."""
    rows = table.drop_columns([SOURCE]).replace_schema_metadata(None)
    rows = rows.take(pa.array(range(rows.num_rows), pa.int64())).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(sink.getvalue()).digest()
