"""Delimited text to a table. Every fault names the line on which its record starts, also among multi-line cells."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from dianji.data.findings import Findings, plural, some
from dianji.data.source import Place, pieces, with_sources
from dianji.data.sources._header import Header, Record, header_of, is_header, warn_of_header
from dianji.errors import DataError

_DELIMITERS = (",", "\t", ";", "|")
_SNIFFED = 200_000  # characters by which the layout is told

#: What Excel writes above the header: the sign that divides cells.
_SEP = re.compile(r'"?sep=(.)"?\r?\n?')


@dataclass(frozen=True)
class Layout:
    """How cells are told apart. ``header`` names the columns of a file without a header line."""

    delimiter: str
    quoted: bool = True
    header: Sequence[str] | None = None
    #: Whether white space after a delimiter does not count, so that a quote may follow it.
    skips_space: bool = False


def table(text: str, layout: Layout, place: Place, findings: Findings) -> pa.Table:
    """All columns as strings, and ``__source__``.

    Raises:
        DataError: no rows, or a header that names a column twice.
    """
    found = records(io.StringIO(text, newline=""), layout)
    header = header_of(found, layout.header, place)
    rows = list(_rows(found, header, layout, place, findings))
    if not rows and not findings.count:
        raise no_rows(header.names, place)
    made = _columns(rows, header.names, place)
    warn_of_header(header, made, place, findings)
    return made


def tables(lines: Iterable[str], layout: Layout, place: Place, findings: Findings) -> Iterator[pa.Table]:
    """``table``, a piece at a time; the header is compared with the first piece."""
    found = records(lines, layout)
    header = header_of(found, layout.header, place)
    empty = True
    for rows in pieces(_rows(found, header, layout, place, findings), _size):
        made = _columns(rows, header.names, place)
        if empty:
            warn_of_header(header, made, place, findings)
        empty = False
        yield made
    if empty and not findings.count:
        raise no_rows(header.names, place)


def records(lines: Iterable[str], layout: Layout) -> Iterator[Record]:
    """Records one by one; after broken quoting reading goes on with the next line. Excel's ``sep=`` line is none."""
    # The limit is the process's own and only ever raised here: a cell of 10 MB is a long document, not an attack.
    csv.field_size_limit(2**31 - 1)
    source = iter(lines)
    first = next(source, None)
    above = int(first is not None and _SEP.fullmatch(first) is not None)
    reader = csv.reader(
        source if above or first is None else itertools.chain([first], source),
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=layout.quoted,
        skipinitialspace=layout.skips_space,
    )
    while True:
        line = reader.line_num + 1 + above
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line, [], _quoting_fault(str(error)))
        else:
            yield Record(line, cells)


def layout_of(text: str, delimiter: str | None, quoted: bool, header: Sequence[str] | None) -> Layout:
    """How the cells of a text that begins so are told apart."""
    named = _SEP.fullmatch(text[: text.find("\n") + 1] or text)
    delimiter = delimiter or (named.group(1) if named else sniff_delimiter(text))
    plain = Layout(delimiter, quoted, header)
    spaced = replace(plain, skips_space=True)
    if not quoted or not re.search(rf'{re.escape(delimiter)} +"', text):
        return plain
    return spaced if _agreement(text, spaced) >= _agreement(text, plain) else plain


def no_rows(header: Sequence[str], place: Place) -> DataError:
    """The error about a header without anything below it."""
    return DataError(f"{place.name} has a header ({', '.join(header)}) and no rows: at least one row is needed.")


def _rows(
    found: Iterator[Record], header: Header, layout: Layout, place: Place, findings: Findings
) -> Iterator[Record]:
    """The records that are rows; the others are faults or blank. An empty cell beyond the header's is left out."""
    blank: list[int] = []
    trailing = 0
    for record in found:
        cells = record.cells
        if record.fault:
            findings.fault(f"{place.name}, line {record.line}: {record.fault}")
            continue
        if not cells and len(header.names) > 1:
            blank.append(record.line)
            continue
        if len(cells) == len(header.names) + 1 and not cells[-1].strip():
            trailing += 1
            record = Record(record.line, cells[:-1])
        elif len(cells or [""]) != len(header.names):
            findings.fault(f"{place.name}, line {record.line}: {_miscounted(cells, header.names, layout)}")
            continue
        yield record
    if blank:
        findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")
    if trailing:
        told = "1 row ends" if trailing == 1 else f"{trailing:,} rows end"
        findings.warn(f"{place.name}: {told} with a '{layout.delimiter}' more than the header, which was left out")


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
    sample = text[:_SNIFFED]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        found = records(io.StringIO(sample, newline=""), Layout(delimiter))
        lengths = [len(record.cells) for record in _first(found, 200) if record.cells]
        if lengths and lengths[0] > 1:
            score = lengths.count(lengths[0]) / len(lengths)
            if score > best_score:
                best, best_score = delimiter, score
    return best


def looks_delimited(text: str) -> bool:
    """Whether the first line names columns as they are usually called, and the records below have as many cells."""
    layout = layout_of(text, None, quoted=True, header=None)
    found = _first(records(io.StringIO(text[:_SNIFFED], newline=""), layout), 200)
    if len(found) < 2 or len(found[0].cells) < 2 or not is_header(found[0].cells):
        return False
    return all(not record.fault and len(record.cells) in (0, len(found[0].cells)) for record in found)


def looks_like_lists(text: str) -> str | None:
    """The sign that divides every line into the same number of cells, where at least three lines are; else None."""
    lines = [line for line in text.split("\n") if line.strip()][:200]
    for delimiter in _DELIMITERS:
        counts = {line.count(delimiter) for line in lines}
        if len(lines) >= 3 and len(counts) == 1 and counts != {0}:
            return delimiter
    return None


def _agreement(text: str, layout: Layout) -> float:
    """Share of records, among the first ones, that have as many cells as the header."""
    found = _first(records(io.StringIO(text[:_SNIFFED], newline=""), layout), 200)
    whole = [len(record.cells) for record in found if record.cells and not record.fault]
    return whole.count(len(layout.header) if layout.header else whole[0]) / len(found) if whole else 0.0


def _first(found: Iterator[Record], count: int) -> list[Record]:
    return [record for _, record in zip(range(count), found, strict=False)]


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
