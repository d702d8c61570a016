"""Arrow on disk: a file, or a folder that ``datasets`` saved. Read with pyarrow alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.files import split_named
from dianji.data.findings import Findings
from dianji.data.source import CHUNK_ROWS, SPLIT, Place, numbered, with_sources
from dianji.data.sources._arrow import with_label_names
from dianji.errors import DataError
from dianji.registry import component


@component("source", "arrow")
@dataclass(frozen=True)
class Arrow:
    """Rows of an Arrow file, of a saved ``Dataset``, or of a saved ``DatasetDict`` with its splits."""

    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".feather")
    reads: ClassVar[Literal["file", "folder", "service"]] = "folder"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All columns, and ``__split__`` for a ``DatasetDict``.

        Raises:
            DataError: not Arrow, damaged, or without rows.
        """
        root = Path(place.path)
        divided = (root / "dataset_dict.json").is_file()
        table = _divided(root) if divided else _numbered(_dataset(root), place.name)
        if not table.num_rows:
            raise DataError(f"{place.path} holds no rows: at least one row is needed.")
        return table

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time: files are memory-mapped, and pieces are slices of them."""
        root = Path(place.path)
        divided = (root / "dataset_dict.json").is_file()
        found = _splits(root) if divided else [(place.name, root, None)]
        for name, folder, split in found:
            whole = _raw(folder)
            for start in range(0, whole.num_rows, CHUNK_ROWS):
                table = _own_columns(whole.slice(start, CHUNK_ROWS), name)
                table = with_sources(table, numbered(name, table.num_rows, start=start + 1))
                yield table if split is None else _marked(table, split)


def is_saved(folder: Path) -> bool:
    """Whether ``datasets`` saved this folder, or Arrow files lie in it."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")) or any(folder.glob("*.arrow"))


def parts(root: Path) -> list[Path]:
    """The Arrow files behind a place, in their order; what its digest is over."""
    if not root.is_dir():
        return [root]
    if (root / "dataset_dict.json").is_file():
        return [file for name in _json(root / "dataset_dict.json").get("splits", []) for file in parts(root / name)]
    state = _json(root / "state.json") if (root / "state.json").is_file() else {}
    named = [root / item["filename"] for item in state.get("_data_files", [])]
    return named or sorted(root.glob("*.arrow"))


def _divided(root: Path) -> pa.Table:
    tables = [_marked(_numbered(_dataset(folder), name), split) for name, folder, split in _splits(root)]
    return pa.concat_tables(tables, promote_options="permissive")


def _splits(root: Path) -> list[tuple[str, Path, str]]:
    """(name, folder, which split it is) of a ``DatasetDict``."""
    found = []
    for name in _json(root / "dataset_dict.json").get("splits", []):
        split = split_named(name)
        if split is None:
            raise DataError(
                f"{root}: split '{name}' is none of train, validation, test. Save these, or name one split's "
                "folder as the path."
            )
        found.append((name, root / name, split))
    if not found:
        raise DataError(f"{root}: dataset_dict.json names no splits.")
    return found


def _marked(table: pa.Table, split: str) -> pa.Table:
    return table.append_column(SPLIT, pa.array([split] * table.num_rows, pa.string()))


def _dataset(root: Path) -> pa.Table:
    return _own_columns(_raw(root), root.name)


def _raw(root: Path) -> pa.Table:
    files = parts(root)
    if not files:
        raise DataError(f"{root} holds no .arrow file.")
    return pa.concat_tables([_file(file) for file in files], promote_options="permissive")


def _own_columns(table: pa.Table, name: str) -> pa.Table:
    table = with_label_names(table, name)
    return table.drop_columns([name for name in table.column_names if name.startswith("__")])


def _numbered(table: pa.Table, name: str) -> pa.Table:
    return with_sources(table, numbered(name, table.num_rows))


def _file(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as source:
            try:
                return pa.ipc.open_stream(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                return pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a whole Arrow file ({str(error).splitlines()[0]}). Save it again from its source."
        ) from None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. Save the data set again.") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} is not what datasets writes there. Save the data set again.")
    return value
