"""JSON lines: an object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings, plural, some
from dianji.data.lines import open_text
from dianji.data.source import Place, pieces
from dianji.data.sources._records import has_surrogates, table
from dianji.errors import DataError
from dianji.registry import component


@component("source", "jsonl")
@dataclass(frozen=True)
class JsonLines:
    """Rows of a JSON-lines file."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """A column for each key; a key that a line lacks is null.

        Raises:
            DataError: empty, binary, wrongly encoded, or not one good line.
        """
        return lines_to_table(decode(place, encoding, findings), place, findings)

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; keys that came before are columns of every later piece."""
        names: dict[str, None] = {}
        with open_text(place, encoding, findings) as file:
            rows = _rows(file, place, findings)
            for held in pieces(rows, lambda row: row.size):
                names |= dict.fromkeys(key for row in held for key in row.record)
                yield table([row.record for row in held], [row.where for row in held], names)


@dataclass(frozen=True)
class _Row:
    record: dict[str, Any]
    where: str
    size: int


def lines_to_table(text: str, place: Place, findings: Findings) -> pa.Table:
    """The lines that are objects; the others are faults."""
    # Not splitlines: U+2028 and U+0085 may stand inside a text.
    rows = list(_rows((f"{line}\n" for line in text.removesuffix("\n").split("\n")), place, findings))
    if not rows and not findings.count:
        raise DataError(f"{place.name} holds no row: at least one line with an object is needed.")
    return table([row.record for row in rows], [row.where for row in rows])


def _rows(lines: Iterable[str], place: Place, findings: Findings) -> Iterator[_Row]:
    blank: list[int] = []
    for number, line in enumerate(lines, start=1):
        where = f"{place.name}, line {number}"
        if not line.strip():
            blank.append(number)
            continue
        record = _parse(line, where, findings)
        if record is not None:
            yield _Row(record, where, len(line))
    if blank:
        findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")


def _parse(line: str, where: str, findings: Findings) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = (
            f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        )
        findings.fault(f'{where}: not JSON ({reason}). Each line is one object: {{"text": "…"}}.')
        return None
    return checked(value, line, where, findings)


def checked(value: object, raw: str, where: str, findings: Findings) -> dict[str, Any] | None:
    """The value if it is an object without broken characters, else None and a fault."""
    if not isinstance(value, dict):
        findings.fault(f"{where}: {type(value).__name__} where an object with named values is expected.")
        return None
    if ("\\ud" in raw or "\\uD" in raw) and has_surrogates(value):
        findings.fault(
            f"{where}: half a character (a lone surrogate such as \\ud800). Write the text again from its source."
        )
        return None
    return value
