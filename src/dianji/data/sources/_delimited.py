"""Delimited text to a table. Every fault names the line on which its record starts, also among multi-line cells."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dianji.data.findings import Findings, plural, some
from dianji.data.source import Place, pieces, with_sources
from dianji.errors import DataError

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Layout:
    """How cells are told apart. ``header`` names the columns of a file without a header line."""

    delimiter: str
    quoted: bool = True
    header: Sequence[str] | None = None


@dataclass(frozen=True)
class Record:
    """One record: the line it starts on, its cells, and what is wrong with its quoting."""

    line: int
    cells: list[str]
    fault: str = ""


def table(text: str, layout: Layout, place: Place, findings: Findings) -> pa.Table:
    """All columns as strings, and ``__source__``.

    Raises:
        DataError: no rows, or a header that names a column twice.
    """
    found = records(io.StringIO(text, newline=""), layout)
    header = _header_of(found, layout, place)
    rows = list(_rows(found, header, layout, place, findings))
    if not rows and not findings.count:
        raise no_rows(header, place)
    return _columns(rows, header, place)


def tables(lines: Iterable[str], layout: Layout, place: Place, findings: Findings) -> Iterator[pa.Table]:
    """``table``, a piece at a time."""
    found = records(lines, layout)
    header = _header_of(found, layout, place)
    empty = True
    for rows in pieces(_rows(found, header, layout, place, findings), _size):
        empty = False
        yield _columns(rows, header, place)
    if empty and not findings.count:
        raise no_rows(header, place)


def records(lines: Iterable[str], layout: Layout) -> Iterator[Record]:
    """Records one by one; after broken quoting reading goes on with the next line."""
    # The limit is the process's own and only ever raised here: a cell of 10 MB is a long document, not an attack.
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(
        lines,
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=layout.quoted,
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line, [], _quoting_fault(str(error)))
        else:
            yield Record(line, cells)


def no_rows(header: Sequence[str], place: Place) -> DataError:
    """The error about a header without anything below it."""
    return DataError(f"{place.name} has a header ({', '.join(header)}) and no rows: at least one row is needed.")


def _header_of(found: Iterator[Record], layout: Layout, place: Place) -> list[str]:
    return list(layout.header) if layout.header is not None else _header(next(found, None), place)


def _rows(
    found: Iterator[Record], header: list[str], layout: Layout, place: Place, findings: Findings
) -> Iterator[Record]:
    """The records that are rows; the others are faults or blank."""
    blank: list[int] = []
    for record in found:
        if record.fault:
            findings.fault(f"{place.name}, line {record.line}: {record.fault}")
        elif not record.cells and len(header) > 1:
            blank.append(record.line)
        elif len(record.cells or [""]) != len(header):
            findings.fault(f"{place.name}, line {record.line}: {_miscounted(record.cells, header, layout)}")
        else:
            yield record
    if blank:
        findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")


def _columns(rows: Sequence[Record], header: list[str], place: Place) -> pa.Table:
    if not rows:
        columns = [pa.array([], pa.string())] * len(header)
    else:
        cells = zip(*(row.cells or [""] for row in rows), strict=True)
        columns = [pa.array(column, pa.string()) for column in cells]
    return with_sources(pa.table(columns, names=header), [f"{place.name}, line {row.line}" for row in rows])


def _size(record: Record) -> int:
    return sum(map(len, record.cells))


def sniff_delimiter(text: str) -> str:
    """The delimiter whose record lengths agree best with the header's; a comma where the header has none.

    A delimiter that does not stand in the header is no candidate, so that prose never elects one.
    """
    sample = text[:200_000]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        found = records(io.StringIO(sample, newline=""), Layout(delimiter))
        lengths = [len(record.cells) for record in _first(found, 200) if record.cells]
        if lengths and lengths[0] > 1:
            score = lengths.count(lengths[0]) / len(lengths)
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _first(found: Iterator[Record], count: int) -> list[Record]:
    return [record for _, record in zip(range(count), found, strict=False)]


def _header(record: Record | None, place: Place) -> list[str]:
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
    return names


def _miscounted(cells: list[str], header: list[str], layout: Layout) -> str:
    shown = {"\t": "tab"}.get(layout.delimiter, f"'{layout.delimiter}'")
    hint = f"Quote cells that hold a {shown}" if len(cells) > len(header) else "Write the missing cells"
    return f"{plural(len(cells), 'cell')} where the header has {len(header)} ({', '.join(header)}). {hint}."


def _quoting_fault(reason: str) -> str:
    if "unexpected end" in reason:
        return "a quote is opened and never closed. Close it, or write a quote inside a cell twice."
    if "expected after" in reason:
        return "text follows a closing quote. Write a quote inside a cell twice, or set options: {quoting: none}."
    return reason
