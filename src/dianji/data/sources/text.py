"""Plain text: a document per line, or one per file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.source import Place, numbered, with_sources
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
        return with_sources(pa.table({"text": pa.array(lines, pa.string())}), numbered(place.name, len(lines), "line"))
