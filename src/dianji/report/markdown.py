"""A document as Markdown (GitHub's), with its pictures as files beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod

from dianji.messages import Language
from dianji.report.blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Document,
    Facts,
    Figure,
    Item,
    Items,
    Paragraph,
    Table,
    Text,
    Thumbnail,
    Words,
    said,
)
from dianji.report.svg import alone

_FACT = Words("figure", "项目"), Words("value", "数值")
#: What Markdown or the HTML in it could take for a sign; each may be escaped by a backslash.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>|~#$&!])")
_BREAK = re.compile(r"[\t\n\r\u2028\u2029]+")
#: What would begin a list or a rule at the start of a line.
_BEGINNING = re.compile(r"^(\d+)?([-+.=)])")


@dataclass(frozen=True)
class Written:
    """The text, and the files that it names: name -> content."""

    text: str
    pictures: dict[str, bytes] = field(default_factory=dict)


def to_markdown(document: Document, language: Language, folder: str) -> Written:
    """The whole text.

    Args:
        document: the document to write.
        language: of Dianji's own words.
        folder: where the pictures will lie, as the text names it; they are named without it in the result.
    """
    writer = Writer(language, folder)
    parts = [f"# {writer.text(document.title)}", writer.text(document.lead)]
    parts += [part for chapter in document.chapters for part in writer.chapter(chapter, 2)]
    return Written("\n\n".join(parts) + "\n", writer.pictures)


class Writer:
    """Writes blocks in one language; collects pictures."""

    def __init__(self, language: Language, folder: str) -> None:
        self.language = language
        self.folder = folder
        self.pictures: dict[str, bytes] = {}

    def text(self, text: Text) -> str:
        """On one line, with every sign escaped."""
        line = _SIGNS.sub(r"\\\1", _BREAK.sub(" ", said(text, self.language)))
        return _BEGINNING.sub(r"\1\\\2", line)

    def chapter(self, chapter: Chapter, level: int) -> list[str]:
        """A heading, its blocks, and its chapters one level below."""
        own = [f"{'#' * level} {self.text(chapter.title)}", *(self.block(block) for block in chapter.blocks)]
        return own + [part for below in chapter.chapters for part in self.chapter(below, level + 1)]

    @singledispatchmethod
    def block(self, block: Block) -> str:
        """One block."""
        raise TypeError(f"no way to write {block!r:.80}")

    @block.register
    def _(self, block: Paragraph) -> str:
        return f"> {self.text(block.text)}" if block.note else self.text(block.text)

    @block.register
    def _(self, block: Facts) -> str:
        return self._grid(_FACT, block.pairs, frozenset({1}))

    @block.register
    def _(self, block: Table) -> str:
        return f"{self.text(block.caption)}:\n\n{self._grid(block.header, block.rows, block.numbers)}"

    def _grid(self, header: Sequence[Text], rows: Sequence[Sequence[Cell]], numbers: frozenset[int]) -> str:
        rule = ("---:" if place in numbers else "---" for place in range(len(header)))
        lines = [self._line(header), f"|{'|'.join(rule)}|", *(self._line(row) for row in rows)]
        return "\n".join(lines)

    def _line(self, cells: Sequence[Cell]) -> str:
        return f"| {' | '.join(self._cell(cell) for cell in cells)} |"

    def _cell(self, cell: Cell) -> str:
        return self._picture(cell.png, "png", cell.alt) if isinstance(cell, Thumbnail) else self.text(cell)

    @block.register
    def _(self, block: Figure) -> str:
        drawn = alone(block.drawing, self.language, block.alt).encode()
        return f"{self._picture(drawn, 'svg', block.alt)}\n\n{self.text(block.caption)}"

    def _picture(self, content: bytes, kind: str, alt: Text) -> str:
        name = f"{len(self.pictures) + 1:02}.{kind}"
        self.pictures[name] = content
        return f"![{self.text(alt)}](<{self.folder}/{name}>)"

    @block.register
    def _(self, block: Code) -> str:
        text = said(block.text, self.language)
        longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}{block.language}\n{text.rstrip()}\n{fence}"

    @block.register
    def _(self, block: Items) -> str:
        return "\n".join(line for item in block.items for line in self._item(item, 0))

    def _item(self, item: Item, depth: int) -> list[str]:
        below = [line for of in item.items for line in self._item(of, depth + 1)]
        return [f"{'  ' * depth}- {self.text(item.text)}", *below]
