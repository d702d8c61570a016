"""Predictions as rows of a file: written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from dianji.data.sources.conll import to_conll
from dianji.errors import DataError
from dianji.store.atomic import sync_folder, translated

_FORMATS = (".jsonl", ".csv", ".conll")


def require_format(path: Path) -> None:
    """Refuse an ending that names no format, before any prediction.

    Raises:
        DataError: none of .jsonl, .csv and .conll.
    """
    if path.suffix not in _FORMATS:
        raise DataError(
            f"{path}: predictions are written as .jsonl or .csv, those of tags also as .conll, found the ending "
            f"'{path.suffix}'. Name such a file."
        )


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write one row after the other; returns their number. A failure leaves an earlier file at ``path``.

    Raises:
        DataError: predictions are no tags of words, and a CoNLL file was asked for.
        StoreError: the disk is full or the folder cannot be written.
    """
    writers = {".csv": _write_csv, ".conll": _write_conll}
    with _new_file(path) as file:
        return writers.get(path.suffix, _write_jsonl)(rows, file)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the prediction's parts as columns of their own; nested values as JSON."""
    parts = {**{name: value for name, value in row.items() if name != "prediction"}, **row["prediction"]}
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in parts.items()
    }


def _write_jsonl(rows: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count


def _write_csv(rows: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    """The first row decides the columns, which are those of every row."""
    flattened = map(flat, rows)
    first = next(flattened, None)
    if first is None:
        return 0
    writer = csv.DictWriter(file, list(first))
    writer.writeheader()
    count = 0
    for row in chain([first], flattened):
        writer.writerow(row)
        count += 1
    return count


def _write_conll(rows: Iterable[Mapping[str, Any]], file: TextIO) -> int:
    """Words with their predicted tags."""
    count = 0

    def sentences() -> Iterator[tuple[list[str], list[str]]]:
        nonlocal count
        for row in rows:
            found = row["prediction"]
            if "words" not in found or "tags" not in found:
                raise DataError("the model gives no tags of words, which a .conll file holds. Name a .jsonl file.")
            count += 1
            yield found["words"], found["tags"]

    file.writelines(to_conll(sentences()))
    return count


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A temporary file beside ``path`` that takes its place when the block ends well."""
    with translated(path):
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            # A lone surrogate, which UTF-8 has no bytes for, is written as its JSON escape.
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.absolute().parent)
