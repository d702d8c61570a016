"""The contents of a report: words in two languages, and blocks that every writer can write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from dianji.messages import Language, Message

LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True)
class Words:
    """The same said in English and in Chinese; neither can be forgotten."""

    en: str
    zh: str

    @classmethod
    def of(cls, message: Message) -> Words:
        """A message in both languages."""
        return cls(message.text("en"), message.text("zh"))


#: Text from data, recipes and registries is the same in every language; Dianji's own text is ``Words``.
Text = str | Words


#: What neither HTML nor XML can hold, even escaped: control characters and halves of surrogate pairs.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def said(text: Text, language: Language) -> str:
    """The text in that language; a replacement character stands for characters that no page can hold."""
    spoken = text if isinstance(text, str) else {"en": text.en, "zh": text.zh}[language]
    return _FORBIDDEN.sub("\ufffd", spoken)


@dataclass(frozen=True)
class Drawing:
    """An SVG document whose texts may be ``@0@``, ``@1@``: places of ``words``, which the reader's browser sets."""

    svg: str
    words: tuple[Text, ...]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture in a cell of a table."""

    png: bytes
    alt: Text


Cell = Text | Thumbnail


@dataclass(frozen=True)
class Paragraph:
    """Prose. A note is set apart: missing parts, and limits."""

    text: Text
    note: bool = False


@dataclass(frozen=True)
class Facts:
    """A few figures at a glance: name and value."""

    pairs: tuple[tuple[Text, Text], ...]


@dataclass(frozen=True)
class Table:
    """Cells under a header; the first cell of a row names it."""

    caption: Text
    header: tuple[Text, ...]
    rows: tuple[tuple[Cell, ...], ...]
    #: Columns of numbers, which stand to the right.
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption; ``alt`` describes it for readers who cannot see it."""

    drawing: Drawing
    caption: Text
    alt: Text


@dataclass(frozen=True)
class Code:
    """Text to be copied, in a language such as ``yaml`` or ``bash``."""

    text: str
    language: str


@dataclass(frozen=True)
class Item:
    """An entry of a nested list."""

    text: Text
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Items:
    """A nested list."""

    items: tuple[Item, ...]


Block = Paragraph | Facts | Table | Figure | Code | Items


@dataclass(frozen=True)
class Chapter:
    """A heading with blocks, then chapters one level below."""

    title: Text
    blocks: tuple[Block, ...]
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: Text
    lead: Text
    chapters: tuple[Chapter, ...]
