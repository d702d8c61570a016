"""fastText: ``__label__a __label__b text``, a row per line, with its labels before or after the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings, plural, some
from dianji.data.lines import open_text
from dianji.data.source import Place, pieces, with_sources
from dianji.registry import component


@component("source", "fasttext")
@dataclass(frozen=True)
class FastText:
    """Columns ``text`` and ``labels``; also ``label`` where no line has more than one."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    prefix: str = "__label__"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The rows.

        Raises:
            DataError: empty, binary, or wrongly encoded.
        """
        lines = decode(place, encoding, findings).removesuffix("\n").split("\n")
        rows = list(self._rows(lines, place, findings))
        return _table(rows, place, single=all(len(labels) == 1 for _, _, labels in rows))

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; the column ``label`` is there if the whole file has one label per line."""
        single = place.live is None and self._single(place, encoding)
        with open_text(place, encoding, findings) as file:
            for rows in pieces(self._rows(file, place, findings), lambda row: len(row[1])):
                yield _table(rows, place, single=single)

    def _single(self, place: Place, encoding: str) -> bool:
        """Whether no line of a file has more than one label."""
        with open_text(place, encoding, Findings()) as file:
            return all(len(labels) == 1 for *_, labels in self._rows(file, place, Findings()))

    def _rows(
        self, lines: Iterable[str], place: Place, findings: Findings
    ) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """(line, text, labels); a line without a label is a fault."""
        name = rf"{re.escape(self.prefix)}\S+"
        shape = re.compile(rf"\s*((?:{name}(?:\s+|$))*)(.*?)((?:(?:\s+|^){name})*)\s*", re.DOTALL)
        blank: list[int] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                blank.append(number)
                continue
            match = shape.fullmatch(line.rstrip("\r\n"))
            before, text, after = match.groups() if match else ("", line, "")
            labels = tuple(word.removeprefix(self.prefix) for word in (before + " " + after).split())
            if not labels:
                findings.fault(f"{place.name}, line {number}: no label. Write {self.prefix}NAME before the text.")
                continue
            yield number, text.strip(), labels
        if blank:
            findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")


def looks_like_fasttext(text: str) -> bool:
    """Whether nearly every line has a label of fastText's form before or after its text."""
    lines = [line for line in text.split("\n") if line.strip()][:2000]
    labelled = sum(line.lstrip().startswith("__label__") or " __label__" in line for line in lines)
    return bool(lines) and labelled >= 0.9 * len(lines)


def _table(rows: Sequence[tuple[int, str, tuple[str, ...]]], place: Place, *, single: bool) -> pa.Table:
    columns = {"text": pa.array([text for _, text, _ in rows], pa.string())}
    if single:
        columns["label"] = pa.array([labels[0] for *_, labels in rows], pa.string())
    columns["labels"] = pa.array([list(labels) for *_, labels in rows], pa.list_(pa.string()))
    return with_sources(pa.table(columns), [f"{place.name}, line {number}" for number, *_ in rows])
