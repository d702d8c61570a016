"""TSV: a header line, cells divided by tabs; quoting where the file keeps to it, else none."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.lines import head_text, open_text
from dianji.data.source import Place
from dianji.data.sources._delimited import Layout, records, table, tables
from dianji.registry import component


@component("source", "tsv")
@dataclass(frozen=True)
class Tsv:
    """Rows of a TSV file. Under ``auto`` quotes are plain characters unless the whole file reads cleanly with them."""

    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".tab")
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    quoting: Literal["auto", "standard", "none"] = "auto"
    header: tuple[str, ...] | None = None

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All columns as strings.

        Raises:
            DataError: empty, binary, wrongly encoded, without rows, or a damaged header.
        """
        text = decode(place, encoding, findings)
        quoted = self.quoting == "standard"
        if self.quoting == "auto" and '"' in text:
            quoted = _reads_quoted(io.StringIO(text, newline=""))
        return table(text, Layout("\t", quoted, self.header), place, findings)

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; of standard input only the beginning tells whether quotes are plain."""
        quoted = self.quoting == "standard" or (self.quoting == "auto" and self._quoted(place, encoding))
        with open_text(place, encoding, findings, newline="") as lines:
            yield from tables(lines, Layout("\t", quoted, self.header), place, findings)

    def _quoted(self, place: Place, encoding: str) -> bool:
        if place.live is not None:
            return _reads_quoted(io.StringIO(head_text(place, encoding), newline=""))
        with open_text(place, encoding, Findings(), newline="") as lines:
            return _reads_quoted(lines)


def _reads_quoted(lines: Iterable[str]) -> bool:
    """Whether quotes are well formed throughout. A cell that swallowed a whole line was opened by a stray quote."""
    width = 0
    for record in records(lines, Layout("\t")):
        width = width or len(record.cells)
        swallowed = any("\n" in cell and "\t" in cell for cell in record.cells)
        if record.fault or swallowed or (record.cells and len(record.cells) != width):
            return False
    return True
