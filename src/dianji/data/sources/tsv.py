"""TSV: a header line, cells divided by tabs; quoting where the file keeps to it, else none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.source import Place
from dianji.data.sources._delimited import Layout, records, table
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
        quoted = self.quoting == "standard" or (self.quoting == "auto" and _reads_quoted(text))
        return table(text, Layout("\t", quoted, self.header), place, findings)


def _reads_quoted(text: str) -> bool:
    """Whether quotes are well formed throughout. A cell that swallowed a whole line was opened by a stray quote."""
    if '"' not in text:
        return False
    width = 0
    for record in records(text, Layout("\t")):
        width = width or len(record.cells)
        swallowed = any("\n" in cell and "\t" in cell for cell in record.cells)
        if record.fault or swallowed or (record.cells and len(record.cells) != width):
            return False
    return True
