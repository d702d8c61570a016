"""Tables for people: drawn on a terminal, aligned text elsewhere. Chinese characters count two columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dianji.cli.answer import on_terminal

if TYPE_CHECKING:
    from dianji.evaluate.metric import Estimate

#: Control characters: text from data must not move the cursor, colour the screen or break a row.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> None:
    """Print rows under a header; the columns numbered in ``right`` are aligned to the right."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if on_terminal():
        _draw(header, cleaned, right)
        return
    widths = [max(width(cell) for cell in column) for column in zip(header, *cleaned, strict=True)]
    for row in (header, *cleaned):
        cells = [_pad(cell, widths[place], place in right) for place, cell in enumerate(row)]
        print("  " + "  ".join(cells).rstrip())


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print ``name  value`` lines with the values under each other."""
    widest = max((width(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"  {_pad(name, widest, False)}  {clean(value)}".rstrip())


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(_cells(character) for character in text)


def shorten(text: str, columns: int) -> str:
    """The text, cut with ``…`` where it is wider than ``columns``."""
    text = clean(text)
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += _cells(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def clean(text: str) -> str:
    """The text on one line, without control characters."""
    return _CONTROL.sub(" ", text)


def estimate(value: Estimate) -> tuple[str, str]:
    """A value and its interval: ``0.9400``, ``0.9312 … 0.9481``."""
    return f"{value.value:.4f}", f"{value.low:.4f} … {value.high:.4f}"


def near(path: Path) -> str:
    """The path in its shortest form for the current folder."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _pad(text: str, columns: int, right: bool) -> str:
    space = " " * (columns - width(text))
    return space + text if right else text + space


def _draw(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(Text(name), justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
