"""What ``format: auto`` goes by: the kind of place, magic bytes, the file's ending, its first lines."""

from __future__ import annotations

import json
from pathlib import Path

from dianji.data.encoding import binary_kind, recognise
from dianji.data.images import SUFFIXES as IMAGE_SUFFIXES
from dianji.data.source import Place
from dianji.data.sources import arrow
from dianji.data.sources.fasttext import looks_like_fasttext
from dianji.data.sources.images import visible
from dianji.data.sources.labelled_text import looks_labelled
from dianji.errors import DataError
from dianji.registry import REGISTRY


def folder_format(path: Path) -> str | None:
    """``arrow`` or ``images`` for a place that such a source reads as a whole; None where its files are rows."""
    if path.is_file():
        suffix = path.suffix.lower()
        return "images" if suffix in IMAGE_SUFFIXES else "arrow" if suffix in arrow.Arrow.suffixes else None
    if not path.is_dir():
        return None
    if arrow.is_saved(path):
        return "arrow"
    files = visible(path)
    images = sum(file.suffix.lower() in IMAGE_SUFFIXES for file in files)
    return "images" if files and images > 0.5 * len(files) else None


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
    if named not in (None, "text", "tsv"):
        return str(named)
    if binary_kind(head):
        hint = " Read it with format: sql." if head.startswith(b"SQLite") else ""
        raise DataError(
            f"{place.name} is {binary_kind(head)}, which no source reads.{hint} Export it as CSV, JSON lines or "
            "Parquet."
        )
    text = _first_lines(head)
    if looks_like_fasttext(text):
        return "fasttext"
    if looks_labelled(text):
        return "labelled-text"
    if named == "tsv":
        return "tsv"
    if _is_json_lines(text):
        return "jsonl"
    return "tsv" if _is_table(text) else "text"


def _first_lines(head: bytes) -> str:
    """Whole lines only: the last one may be cut off, also inside a character."""
    lines = head.split(b"\n")
    whole = b"\n".join(lines[:-1]) if len(lines) > 1 and len(head) == 65536 else head
    return whole.decode(recognise(whole), "replace") if whole else ""


def _is_json_lines(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines[:20])
    except (ValueError, RecursionError):
        return False


def _is_table(text: str) -> bool:
    """Whether every line has the same cells, at least two, divided by tabs."""
    counts = {line.count("\t") for line in text.split("\n") if line.strip()}
    return len(counts) == 1 and counts != {0} and text.count("\n") > 0
