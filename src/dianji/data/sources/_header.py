"""The first record of a delimited file: names of columns, or a row that was taken for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dianji.data.findings import Findings, plural, some
from dianji.data.source import SOURCE, Place
from dianji.errors import DataError

#: Characters and words that the name of a column does not exceed.
_LONG, _WORDS = 60, 4
#: What columns are usually called.
_USUAL = re.compile(
    r"(\w+_)?(id|idx|index|text|query|question|sentence|body|content|review|message|comment|sms|tweet|utterance|title|"
    r"label|labels|category|class|intent|target|sentiment|topic|score|rating|tags?|tokens?|date|time|split|image|path|"
    r"customer|user|name|answer|context|premise|hypothesis|文本|内容|标题|问题|评论|标签|类别|分类|意图|情感)(_\w+|\d*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Record:
    """One record: the line it starts on, its cells, and what is wrong with its quoting."""

    line: int
    cells: list[str]
    fault: str = ""


@dataclass(frozen=True)
class Header:
    """The names of the columns, and the record they come from; None where the recipe names them."""

    names: list[str]
    record: Record | None


def header_of(found: Iterator[Record], given: Sequence[str] | None, place: Place) -> Header:
    """The names that are given, else those of the first record.

    Raises:
        DataError: there is no record, its quoting is broken, or it names a column twice.
    """
    if given is not None:
        return Header(list(given), None)
    record = next(found, None)
    if record is None or record.fault:
        reason = record.fault if record else "there is no header"
        raise DataError(f"{place.name}, line 1: {reason}")
    names = [name.strip() or f"column_{number}" for number, name in enumerate(record.cells, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{place.name}, line {record.line}: the header names {', '.join(map(repr, twice))} more than once. "
            "Give each column its own name."
        )
    return Header(names, record)


def is_header(cells: Sequence[str]) -> bool:
    """Whether cells are names of columns: different, none of them a sentence, one of them as columns are called."""
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names) or any(_is_no_name(name) for name in names):
        return False
    return any(_USUAL.fullmatch(name) for name in names)


def warn_of_header(header: Header, rows: pa.Table, place: Place, findings: Findings) -> None:
    """Warn of a header that may be a row, and of rows that repeat the header."""
    if header.record is None:
        if rows.num_rows and [rows[name][0].as_py() for name in header.names] == header.names:
            findings.warn(
                f"{place.name}: the first row repeats the names that options: {{header: …}} gives. If it is the "
                "header, leave out the option"
            )
        return
    raw = [cell.strip() for cell in header.record.cells]
    columns = [rows[name] for name in header.names]
    again = np.logical_and.reduce([_equal(column, cell) for column, cell in zip(columns, raw, strict=True)])
    usual = any(_USUAL.fullmatch(cell) for cell in raw)
    if again.any() and usual and len(raw) > 1:
        where = some(rows[SOURCE].filter(pa.array(again)).to_pylist())
        findings.warn(f"{plural(int(again.sum()), 'row')} like the header: {where}. If files were joined, remove them")
        return
    values = [cell for cell, column in zip(raw, columns, strict=True) if cell and _equal(column, cell).any()]
    if any(_USUAL.fullmatch(cell) and cell not in values for cell in raw):
        return
    odd = [cell for cell in raw if _is_no_name(cell)]
    if values or odd:
        reason = (
            f"'{(values or odd)[0][:60]}' is {'also a value of its column' if values else 'no usual name of a column'}"
        )
        findings.warn(
            f"{place.name}, line {header.record.line}: was read as the header and may be a row, because {reason}. If "
            f"the file has no header, name its columns: options: {{header: [{', '.join(_suggested(columns))}]}}"
        )


def _equal(column: pa.ChunkedArray, cell: str) -> np.ndarray:
    return np.asarray(pc.equal(pc.utf8_trim_whitespace(column), cell).to_numpy()).astype(bool)


def _is_no_name(cell: str) -> bool:
    """Numbers, and sentences: many words, a sign at the end, or as long as no name."""
    number = re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) is not None
    ended = cell.endswith((".", "!", "。", "！", "；")) or (cell.endswith(("?", "？")) and len(cell) > 12)
    return number or ended or len(cell.split()) > _WORDS or len(cell) > _LONG


def _suggested(columns: Sequence[pa.ChunkedArray]) -> list[str]:
    if len(columns) == 1:
        return ["text"]
    if len(columns) != 2:
        return [f"column_{number}" for number in range(1, len(columns) + 1)]
    distinct = [len(pc.unique(column)) for column in columns]
    return ["label", "text"] if distinct[0] < distinct[1] else ["text", "label"]
