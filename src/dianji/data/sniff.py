"""What ``format: auto`` goes by: the kind of place, magic bytes, the file's ending, its first lines."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from dianji.data.encoding import binary_kind, recognise
from dianji.data.files import is_no_data
from dianji.data.findings import plural, some
from dianji.data.images import is_image_file
from dianji.data.source import Place
from dianji.data.sources import arrow
from dianji.data.sources._delimited import looks_delimited
from dianji.data.sources.conll import looks_like_conll
from dianji.data.sources.fasttext import looks_like_fasttext
from dianji.data.sources.images import visible
from dianji.data.sources.labelled_text import looks_labelled
from dianji.data.sources.parallel import is_parallel
from dianji.data.sources.squad import looks_like_squad
from dianji.data.sources.text_folders import is_class_folders
from dianji.errors import DataError
from dianji.registry import REGISTRY


def folder_format(path: Path) -> str | None:
    """The source that reads a place as a whole: Arrow, images, parallel files, class folders; None: its files are rows.

    Raises:
        DataError: a folder holds images beside tables, so that it cannot be told which are the rows.
    """
    if path.is_file():
        if is_image_file(path):
            return "images"
        arrows = path.suffix.lower() in arrow.Arrow.suffixes
        return "arrow" if arrows else "parallel" if is_parallel(path) else None
    if not path.is_dir():
        return None
    if arrow.is_saved(path):
        return "arrow"
    files = [file for file in visible(path) if not is_no_data(file.name)]
    images = [file for file in files if is_image_file(file)]
    if images and not _is_of_images(path, files, images):
        raise DataError(_mixed(path, files, images))
    if images:
        return "images"
    return "text-folders" if is_class_folders(path) else "parallel" if is_parallel(path) else None


def _is_of_images(path: Path, files: Sequence[Path], images: Sequence[Path]) -> bool:
    """Whether images are the rows: most files are, or the others are no tables (annotations, notes)."""
    return len(images) > 0.5 * len(files) or not any(_is_table_file(file) for file in files)


def _is_table_file(path: Path) -> bool:
    return any(path.suffix.lower() in cls.suffixes for cls in REGISTRY.names("source").values() if cls.reads == "file")


def _mixed(path: Path, files: Sequence[Path], images: Sequence[Path]) -> str:
    tables = [file.relative_to(path).as_posix() for file in files if _is_table_file(file)]
    return (
        f"{path} holds {plural(len(images), 'image')} beside {some(tables, 3)}: which are the rows? Name the table "
        f"that names the images: path: {path / tables[0]}; or a folder of images alone, or format: images."
    )


def file_format(place: Place) -> str:
    """The name of the source that reads this file.

    Raises:
        DataError: binary data of a kind that no source reads.
    """
    head = place.head()
    if head.startswith(b"PAR1"):
        return "parquet"
    suffix = Path(place.path).suffix.lower()
    by_suffix = {
        item: name for name, cls in REGISTRY.names("source").items() if cls.reads == "file" for item in cls.suffixes
    }
    named = by_suffix.get(suffix)
    if named == "json" and looks_like_squad(first_lines(head)):
        return "squad"
    if named not in (None, "text", "tsv"):
        return str(named)
    if binary_kind(head):
        hint = " Read it with format: sql." if head.startswith(b"SQLite") else ""
        raise DataError(
            f"{place.name} is {binary_kind(head)}, which no source reads.{hint} Export it as CSV, JSON lines or "
            "Parquet."
        )
    return _format_of_text(first_lines(head), named)


def _format_of_text(text: str, named: str | None) -> str:
    """The format of a text whose ending is that of text or TSV, or says nothing."""
    if looks_like_fasttext(text):
        return "fasttext"
    if looks_like_conll(text):
        return "conll"
    if looks_labelled(text):
        return "labelled-text"
    if named == "tsv":
        return "tsv"
    if _is_json_lines(text):
        return "jsonl"
    if re.match(r"\s*(\[\s*[\[{]|\{\s*\"[^\"\n]*\"\s*:)", text):
        return "json"
    if _is_table(text):
        return "tsv"
    return "csv" if looks_delimited(text) else "text"


def first_lines(head: bytes) -> str:
    """Whole lines only: the last one may be cut off, also inside a character."""
    lines = head.split(b"\n")
    whole = b"\n".join(lines[:-1]) if len(lines) > 1 and len(head) == 65536 else head
    return whole.decode(recognise(whole), "replace") if whole else ""


def _is_json_lines(text: str) -> bool:
    """Whether every line is an object of its own. One line alone is a row unless it holds a list of rows."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        found = [json.loads(line) for line in lines[:20]]
    except (ValueError, RecursionError):
        return False
    if len(found) == 1 and isinstance(found[0], dict):
        return not any(isinstance(item, list) and _holds_rows(item) for item in found[0].values())
    return bool(found) and all(isinstance(item, dict) for item in found)


def _holds_rows(items: list[object]) -> bool:
    return bool(items) and all(isinstance(item, dict | list) for item in items)


def _is_table(text: str) -> bool:
    """Whether every line has the same cells, at least two, divided by tabs."""
    counts = {line.count("\t") for line in text.split("\n") if line.strip()}
    return len(counts) == 1 and counts != {0} and text.count("\n") > 0
