"""A section of a report: a title, and a function from a subject to blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dianji.report.blocks import Block, Words
from dianji.report.subject import Subject


@dataclass(frozen=True)
class Section:
    """``tell`` gives None where the section does not apply; what is missing for it, it says in a note."""

    title: Words
    tell: Callable[[Subject], Sequence[Block] | None]
