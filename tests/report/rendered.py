"""What sections tell, for tests that know what to expect."""

from __future__ import annotations

from dianji.report.blocks import Block
from dianji.report.section import Section
from dianji.report.subject import Subject


def blocks(section: Section, subject: Subject) -> tuple[Block, ...]:
    """The blocks of a section that applies."""
    told = section.tell(subject)
    assert told is not None, f"no {section.title.en}"
    return tuple(told)
