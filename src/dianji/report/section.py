"""A section of a report: a title, and a function from a subject to blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dianji.report.blocks import Block, Words
from dianji.report.subject import Subject


@dataclass(frozen=True)
class Section:
    """``tell`` returns the blocks; None where the section does not apply. It notes missing parts."""

    title: Words
    tell: Callable[[Subject], Sequence[Block] | None]
