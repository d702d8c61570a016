"""CSV: a header line, delimiter sniffed or named, cells in double quotes may span lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.lines import head_text, open_text
from dianji.data.source import Place
from dianji.data.sources._delimited import Layout, layout_of, table, tables
from dianji.registry import component


@component("source", "csv")
@dataclass(frozen=True)
class Csv:
    """Rows of a CSV file. ``header`` names the columns where the file itself does not."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    delimiter: str | None = None
    quoting: Literal["standard", "none"] = "standard"
    header: tuple[str, ...] | None = None

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """All columns as strings.

        Raises:
            DataError: empty, binary, wrongly encoded, without rows, or a damaged header.
        """
        text = decode(place, encoding, findings)
        return table(text, self._layout(text), place, findings)

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time."""
        layout = self._layout(head_text(place, encoding))
        with open_text(place, encoding, findings, newline="") as lines:
            yield from tables(lines, layout, place, findings)

    def _layout(self, text: str) -> Layout:
        return layout_of(text, self.delimiter, self.quoting == "standard", self.header)
