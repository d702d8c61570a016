"""JSON lines: an object per line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings, plural, some
from dianji.data.source import Place
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


def lines_to_table(text: str, place: Place, findings: Findings) -> pa.Table:
    """The lines that are objects; the others are faults."""
    records: list[dict[str, Any]] = []
    sources: list[str] = []
    blank: list[int] = []
    lines = text.split("\n")  # not splitlines: U+2028 and U+0085 may stand inside a text
    for number, line in enumerate(lines, start=1):
        where = f"{place.name}, line {number}"
        if not line.strip():
            blank += [number] if number < len(lines) else []
            continue
        record = _parse(line, where, findings)
        if record is not None:
            records.append(record)
            sources.append(where)
    if blank:
        findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")
    if not records and not findings.count:
        raise DataError(f"{place.name} holds no row: at least one line with an object is needed.")
    return table(records, sources)


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
