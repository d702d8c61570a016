"""A document as one HTML file: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import singledispatchmethod
from html import escape
from importlib.metadata import version
from importlib.resources import files
from itertools import count, groupby

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
from dianji.report.svg import inline

#: Even if a text slipped through unescaped, a browser would run and fetch nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CODES = {"en": "en", "zh": "zh-Hans"}
_CONTENTS = Words("Contents", "目录")
_MADE = Words(
    f"Made by Dianji {version('dianji')} from what the artefact holds.",
    f"由 Dianji {version('dianji')} 根据成品中的记录生成。",
)


def to_html(document: Document, language: Language) -> str:
    """The whole page."""
    page = Page(language)
    title = page.text(document.title)
    chapters = "".join(page.chapter(chapter, f"c{number}", 2) for number, chapter in enumerate(document.chapters, 1))
    return (
        f'<!doctype html>\n<html lang="{_CODES[language]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n<style>\n{_style()}</style>\n'
        f"</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{page.text(document.lead)}</p>\n</header>\n"
        f"{page.contents(document.chapters)}<main>\n{chapters}</main>\n"
        f"<footer><p>{page.text(_MADE)}</p></footer>\n</body>\n</html>\n"
    )


def _style() -> str:
    return (files("dianji.report") / "page.css").read_text(encoding="utf-8")


class Page:
    """Writes blocks in one language; numbers the elements that need an id."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.numbers = count(1)

    def text(self, text: Text) -> str:
        """Escaped for elements and attributes."""
        return escape(said(text, self.language))

    def contents(self, chapters: Sequence[Chapter]) -> str:
        """Links to the chapters, and to the chapters in them."""
        entries = "".join(self._entries(chapters, "c"))
        label = self.text(_CONTENTS)
        return f'<nav aria-label="{label}">\n<ul>\n{entries}</ul>\n</nav>\n'

    def _entries(self, chapters: Sequence[Chapter], above: str) -> Iterator[str]:
        for number, chapter in enumerate(chapters, 1):
            below = "".join(self._entries(chapter.chapters, f"{above}{number}-"))
            inner = f"\n<ul>\n{below}</ul>\n" if below else ""
            yield f'<li><a href="#{above}{number}">{self.text(chapter.title)}</a>{inner}</li>\n'

    def chapter(self, chapter: Chapter, key: str, level: int) -> str:
        """A section with its heading, its blocks, and its chapters one level below."""
        blocks = "".join(self._blocks(chapter.blocks))
        below = "".join(self.chapter(of, f"{key}-{n}", level + 1) for n, of in enumerate(chapter.chapters, 1))
        heading = f'<h{level} id="{key}-title">{self.text(chapter.title)}</h{level}>'
        return f'<section id="{key}" aria-labelledby="{key}-title">\n{heading}\n{blocks}{below}</section>\n'

    def _blocks(self, blocks: Sequence[Block]) -> Iterator[str]:
        """Figures that follow each other stand side by side where there is room."""
        for drawn, group in groupby(blocks, lambda block: isinstance(block, Figure)):
            written = "".join(self.block(block) for block in group)
            yield f'<div class="figures">\n{written}</div>\n' if drawn else written

    @singledispatchmethod
    def block(self, block: Block) -> str:
        """One block."""
        raise TypeError(f"no way to write {block!r:.80}")

    @block.register
    def _(self, block: Paragraph) -> str:
        kind = ' class="note"' if block.note else ""
        return f"<p{kind}>{self.text(block.text)}</p>\n"

    @block.register
    def _(self, block: Facts) -> str:
        pairs = (f"<div><dt>{self.text(name)}</dt><dd>{self.text(value)}</dd></div>\n" for name, value in block.pairs)
        return f"<dl>\n{''.join(pairs)}</dl>\n"

    @block.register
    def _(self, block: Table) -> str:
        key = f"t{next(self.numbers)}"
        head = "".join(
            f'<th scope="col"{_right(block, place)}>{self.text(name)}</th>' for place, name in enumerate(block.header)
        )
        body = "".join(self._row(block, row) for row in block.rows)
        return (
            f'<div class="scroll" role="region" aria-labelledby="{key}" tabindex="0">\n'
            f'<table>\n<caption id="{key}">{self.text(block.caption)}</caption>\n'
            f"<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
        )

    def _row(self, table: Table, row: Sequence[Cell]) -> str:
        first = f'<th scope="row" dir="auto"{_right(table, 0)}>{self._cell(row[0])}</th>'
        rest = (
            f'<td dir="auto"{_right(table, place)}>{self._cell(cell)}</td>' for place, cell in enumerate(row[1:], 1)
        )
        return f"<tr>{first}{''.join(rest)}</tr>\n"

    def _cell(self, cell: Cell) -> str:
        if isinstance(cell, Thumbnail):
            data = base64.b64encode(cell.png).decode()
            return f'<img src="data:image/png;base64,{data}" alt="{self.text(cell.alt)}">'
        return self.text(cell)

    @block.register
    def _(self, block: Figure) -> str:
        drawn = inline(block.drawing, self.language, f"f{next(self.numbers)}", block.alt)
        return f"<figure>\n{drawn}\n<figcaption>{self.text(block.caption)}</figcaption>\n</figure>\n"

    @block.register
    def _(self, block: Code) -> str:
        return f'<pre tabindex="0"><code>{self.text(block.text)}</code></pre>\n'

    @block.register
    def _(self, block: Items) -> str:
        return f"<ul>\n{''.join(self._item(item) for item in block.items)}</ul>\n"

    def _item(self, item: Item) -> str:
        below = f"\n<ul>\n{''.join(self._item(of) for of in item.items)}</ul>\n" if item.items else ""
        return f"<li>{self.text(item.text)}{below}</li>\n"


def _right(table: Table, place: int) -> str:
    return ' class="number"' if place in table.numbers else ""
