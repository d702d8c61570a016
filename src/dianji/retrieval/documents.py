"""The documents of an index: read through the data line, each with an id and its place in the data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.files import whole_files
from dianji.data.findings import Findings, plural
from dianji.data.read import rows
from dianji.data.source import SOURCE
from dianji.data.sources.text import Text
from dianji.errors import DataError, RecipeError, did_you_mean
from dianji.spec.data import Data

COLUMNS: Mapping[str, Column] = {"text": Column("text"), "id": Column("id", optional=True)}
SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.large_string())])


@dataclass(frozen=True)
class Documents:
    """``table`` has ``id``, ``source`` (file and row) and ``text``, a row for each document."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[str]:
        """The texts in their order, one at a time in memory."""
        for chunk in self.table["text"].chunks:
            for text in chunk:
                yield text.as_py()

    def text(self, number: int) -> str:
        """The text of a document."""
        return str(self.table["text"][number].as_py())

    def id(self, number: int) -> str:
        """The id of a document."""
        return str(self.table["id"][number].as_py())

    def source(self, number: int) -> str:
        """File and row of a document."""
        return str(self.table["source"][number].as_py())

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Id -> number."""
        return {name: number for number, name in enumerate(self.table["id"].to_pylist())}

    @cached_property
    def digest(self) -> str:
        """sha256 over ids and texts, not over files or paths."""
        total = hashlib.sha256(b"dianji-documents-1")
        for name, text in zip(self.table["id"].to_pylist(), self, strict=True):
            for value in (name.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass")):
                total.update(len(value).to_bytes(8, "little"))
                total.update(value)
        return total.hexdigest()

    def write(self, path: Path) -> None:
        """As an Arrow file, which is mapped into memory when it is read."""
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            writer.write_table(self.table, max_chunksize=4096)

    @classmethod
    def read(cls, path: Path) -> Documents:
        """Inverse of ``write``."""
        return cls(pa.ipc.open_file(pa.memory_map(str(path))).read_all())


def read_documents(
    path: str,
    *,
    columns: Mapping[str, str] | None = None,
    encoding: str = "auto",
    drop_empty: bool = False,
    warn: Callable[[str], None],
) -> Documents:
    """The documents of a table, of a folder of text files (a document each), or of a text file (a document per line).

    Args:
        path: a file, a folder or a glob.
        columns: ``text`` and ``id`` -> their names in the data. Without ids, file and row are the id.
        encoding: of text files.
        drop_empty: leave out empty documents instead of refusing them.
        warn: gets each warning.

    Raises:
        DataError: what is wrong with files, columns and documents.
        RecipeError: there is no such column to name.
    """
    unknown = [name for name in columns or {} if name not in COLUMNS]
    if unknown:
        raise RecipeError(f"--column {unknown[0]}: documents have no such column. {did_you_mean(unknown[0], COLUMNS)}")
    spec = Data(path=path, encoding=encoding)
    files = _text_files(path)
    if files:
        spec = Data(path=files, format="text", options={"per": "file"}, encoding=encoding)
    table = rows(spec.path or path, COLUMNS, spec=spec, given=columns, warn=warn)
    empty = COLUMNS["text"].of.is_empty(table["text"])
    if empty.any() and drop_empty:
        warn(f"{path}: {plural(int(empty.sum()), 'empty document')} left out.")
        table = table.filter(pa.array(~empty))
    _check(path, table, empty if not drop_empty else np.zeros(table.num_rows, dtype=bool))
    repeated = table.num_rows - len(set(table["text"].to_pylist()))
    if repeated:
        warn(f"{path}: {plural(repeated, 'document')} with the text of an earlier one.")
    ids = table["id"] if "id" in table.column_names else table[SOURCE]
    found = pa.table([ids.cast(pa.string()), table[SOURCE], table["text"].cast(pa.large_string())], schema=SCHEMA)
    return Documents(found.combine_chunks())


def _text_files(path: str) -> list[str]:
    """The files, where each is a document of its own: a folder of text files, or a Markdown file."""
    place = Path(path)
    if place.is_file() and place.suffix.lower() == ".md":
        return [path]
    if not place.is_dir():
        return []
    files = [file for file in whole_files(place) if not any(part[0] == "." for part in file.relative_to(place).parts)]
    return [str(file) for file in files] if all(file.suffix.lower() in Text.suffixes for file in files) else []


def _check(path: str, table: pa.Table, empty: np.ndarray) -> None:
    """Refuse empty documents, ids that occur twice, and data without a document; all at once."""
    if not table.num_rows:
        raise DataError(f"{path}: holds no document. Expected at least one; check the path.")
    findings, sources = Findings(), table[SOURCE].to_pylist()
    for row in np.flatnonzero(empty).tolist():
        findings.fault(
            f"{sources[row]}: the document is empty. Write its text, remove it, or leave all empty ones out with "
            "--drop-empty."
        )
    first: dict[str, str] = {}
    for name, source in zip(table["id"].to_pylist() if "id" in table.column_names else sources, sources, strict=True):
        if name in first:
            findings.fault(
                f"{source}: the id '{name}' is also that of {first[name]}. Give each document its own id, or name "
                "another column with --column id=COLUMN."
            )
        first.setdefault(name, source)
    findings.check()
