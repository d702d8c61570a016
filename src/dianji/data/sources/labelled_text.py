"""Text and label on one line, without a header: ``text<TAB>label`` or ``label<TAB>text``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from dianji.data.encoding import decode
from dianji.data.findings import Findings, plural, some
from dianji.data.lines import head_text, open_text
from dianji.data.source import Place, pieces, with_sources
from dianji.errors import DataError
from dianji.registry import component

Order = Literal["text-label", "label-text"]


@component("source", "labelled-text")
@dataclass(frozen=True)
class LabelledText:
    """Two columns, ``text`` and ``label``. By itself the label is the side with fewer distinct values.

    A separator other than a tab may also stand in the text: the one next to the label counts.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[Literal["file", "folder", "service"]] = "file"

    separator: str = "\t"
    order: Literal["auto", "text-label", "label-text"] = "auto"

    def read(self, place: Place, encoding: str, findings: Findings) -> pa.Table:
        """The rows.

        Raises:
            DataError: empty, binary, wrongly encoded, or the side of the label cannot be told.
        """
        lines = [line.removesuffix("\r") for line in decode(place, encoding, findings).removesuffix("\n").split("\n")]
        order = self.order if self.order != "auto" else self._order(lines, place)
        return _table(list(self._rows(lines, order, place, findings)), place)

    def chunks(self, place: Place, encoding: str, findings: Findings) -> Iterator[pa.Table]:
        """The same a piece at a time; by itself the side of the label is told by how the file begins."""
        order = self.order
        if order == "auto":
            order = self._order(head_text(place, encoding).removesuffix("\n").split("\n"), place)
        with open_text(place, encoding, findings) as file:
            lines = (line.removesuffix("\n").removesuffix("\r") for line in file)
            for rows in pieces(self._rows(lines, order, place, findings), lambda row: len(row[1])):
                yield _table(rows, place)

    def _rows(
        self, lines: Iterable[str], order: Order, place: Place, findings: Findings
    ) -> Iterator[tuple[int, str, str]]:
        """(line, text, label); lines that are none are faults or blank."""
        blank: list[int] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                blank.append(number)
                continue
            pair = self._divide(line, order)
            if pair is not None:
                yield (number, *pair)
                continue
            cells = line.count(self.separator) + 1
            findings.fault(
                f"{place.name}, line {number}: {plural(cells, 'cell')} where two are expected (text and label "
                f"divided by {self.separator!r})."
            )
        if blank:
            findings.warn(f"{place.name}: {plural(len(blank), 'blank line')} left out (line {some(map(str, blank))})")

    def _divide(self, line: str, order: Order) -> tuple[str, str] | None:
        """(text, label), or None where the line does not have both."""
        if self.separator not in line or (self.separator == "\t" and line.count("\t") != 1):
            return None
        if order == "text-label":
            text, _, label = line.rpartition(self.separator)
        else:
            label, _, text = line.partition(self.separator)
        return text, label.strip()

    def _order(self, lines: list[str], place: Place) -> Order:
        ends = {line.rpartition(self.separator)[2] for line in lines if self.separator in line}
        starts = {line.partition(self.separator)[0] for line in lines if self.separator in line}
        if len(ends) == len(starts):
            lengths = sum(map(len, starts)), sum(map(len, ends))
            if lengths[0] != lengths[1]:
                return "text-label" if lengths[1] < lengths[0] else "label-text"
            raise DataError(
                f"{place.name}: it cannot be told which side is the label. Write options: {{order: text-label}} "
                f"or {{order: label-text}}."
            )
        return "text-label" if len(ends) < len(starts) else "label-text"


def _table(rows: Sequence[tuple[int, str, str]], place: Place) -> pa.Table:
    columns = {
        "text": pa.array([text for _, text, _ in rows], pa.string()),
        "label": pa.array([label for *_, label in rows], pa.string()),
    }
    return with_sources(pa.table(columns), [f"{place.name}, line {number}" for number, *_ in rows])


def looks_labelled(text: str) -> bool:
    """Whether nearly every line has two cells, one side has few distinct values, and the first line is no header."""
    lines = [line for line in text.split("\n") if line.strip()][:2000]
    pairs = [line.rstrip("\r").split("\t") for line in lines if line.count("\t") == 1]
    if len(pairs) < 2 or len(pairs) < 0.98 * len(lines):
        return False
    sides = [[pair[side].strip() for pair in pairs] for side in (0, 1)]
    labels = min(sides, key=lambda side: len(set(side)))
    few = len(set(labels)) <= max(2, len(labels) // 4)
    return few and labels[0] in labels[1:]


def announced(text: str) -> str | None:
    """The first of few words before a colon with which every line begins; None where lines begin otherwise."""
    lines = [line for line in text.split("\n") if line.strip()][:2000]
    heads = [line.partition(":")[0] for line in lines]
    words = all(
        ":" in line and head and len(head) <= 40 and " " not in head for line, head in zip(lines, heads, strict=True)
    )
    few = 1 < len(set(heads)) <= max(2, len(heads) // 4)
    return heads[0] if len(lines) >= 8 and words and few else None
