"""JSON: a list of objects, an object with such lists in it, or what pandas writes."""

from __future__ import annotations

import bisect
import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.source import SPLIT, Place
from dianji.data.sources._layouts import Item, items_of, named
from dianji.data.sources._records import table
from dianji.data.sources.jsonl import checked, lines_to_table
from dianji.errors import DataError
from dianji.registry import component

_SPACE = " \t\r\n"


@component("source", "json")
@dataclass(frozen=True)
class Json:
    """Rows of a JSON file. ``field`` names the key of the list, ``"*"`` all lists that are splits."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    field: str | None = None

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """A column for each key; a key that an object lacks is null.

        Raises:
            DataError: empty, binary, wrongly encoded, not JSON, or no list of objects in it.
        """
        text = decode(place, encoding, findings)
        start = text.lstrip(_SPACE)[:1]
        if start == "{" and self.field is None and _is_lines(text):
            return lines_to_table(text, place, findings)
        if start == "[":
            items = [Item(where, value, raw) for where, value, raw in _items(text, place)]
        else:
            items = items_of(_whole(text, place), self.field, place, findings)
        records, sources = [], []
        for item in named(items, place, findings):
            record = checked(item.value, item.raw, item.where, findings)
            if record is not None:
                records.append(record if item.split is None else {**record, SPLIT: item.split})
                sources.append(item.where)
        if not records and not findings.count:
            raise DataError(f"{place.name} holds an empty list: at least one object is needed.")
        return table(records, sources)


def _is_lines(text: str) -> bool:
    """Whether the first line is an object of its own and more follow."""
    first, _, rest = text.strip().partition("\n")
    try:
        return isinstance(json.loads(first), dict) and bool(rest.strip())
    except (json.JSONDecodeError, RecursionError):
        return False


def _items(text: str, place: Place) -> list[tuple[str, Any, str]]:
    """The list's items one by one, each with the line it starts on and its number."""
    decoder = json.JSONDecoder()
    breaks = [match.start() for match in re.finditer("\n", text)]
    items: list[tuple[str, Any, str]] = []
    position = _skip(text, text.index("[") + 1)
    while text[position : position + 1] != "]":
        where = f"{place.name}, line {bisect.bisect_left(breaks, position) + 1}, row {len(items) + 1}"
        try:
            value, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError) as error:
            raise _broken(error, place) from None
        items.append((where, value, text[position:end]))
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            raise _broken(json.JSONDecodeError("',' or ']' expected", text, position), place)
    rest = text[position + 1 :].strip()
    if rest:
        raise _broken(json.JSONDecodeError("text after the end of the list", text, text.rindex(rest)), place)
    return items


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _whole(text: str, place: Place) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _broken(error, place) from None


def _broken(error: json.JSONDecodeError | RecursionError, place: Place) -> DataError:
    if isinstance(error, RecursionError):
        return DataError(f"{place.name} is nested too deeply to be rows. A list of objects is expected.")
    return DataError(
        f"{place.name}, line {error.lineno}: not JSON ({error.msg} at column {error.colno}). A list of objects is "
        "expected."
    )
