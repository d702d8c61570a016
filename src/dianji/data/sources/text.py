"""Plain text: a document per line, or one per file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.lines import open_text
from dianji.data.source import Place, numbered, pieces, with_sources
from dianji.registry import component


@component("source", "text")
@dataclass(frozen=True)
class Text:
    """One column, ``text``. Blank lines are empty documents; ``clean: {drop_empty: true}`` removes them."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text", ".md")
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    per: Literal["line", "file"] = "line"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The documents.

        Raises:
            DataError: empty, binary, or wrongly encoded.
        """
        text = decode(place, encoding, findings)
        if self.per == "file":
            return with_sources(pa.table({"text": [text.strip()]}), [place.name])
        lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        return _table(lines, place, 1)

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; a document that is a whole file is one piece."""
        if self.per == "file":
            yield self.read(place, encoding, findings)
            return
        first = 1
        with open_text(place, encoding, findings) as file:
            for lines in pieces((line.removesuffix("\n").removesuffix("\r") for line in file), len):
                yield _table(lines, place, first)
                first += len(lines)


def _table(lines: list[str], place: Place, first: int) -> pa.Table:
    sources = numbered(place.name, len(lines), "line", first)
    return with_sources(pa.table({"text": pa.array(lines, pa.string())}), sources)
