"""Code blocks of the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

_FENCE = re.compile(r"^```(\w*)$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``not_run`` is the reason that the comment above it gives, if there is one."""

    document: str
    line: int
    language: str
    text: str
    not_run: str | None = None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def path(self) -> str | None:
        """The file that a block says it is, in its first line."""
        found = re.match(r"# (\S+\.py)\n", self.text)
        return found.group(1) if found else None

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, without comments."""
        return [line for line in self.text.splitlines() if line and not line.startswith("#")]


def read(document: str) -> str:
    """The text of a document in the repository's root."""
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[Block]:
    """All fenced blocks, in order."""
    found: list[Block] = []
    lines = read(document).splitlines()
    start: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence and start is None:
            start = (number, fence.group(1))
        elif fence and start is not None:
            opened, language = start
            reason = _NOT_RUN.match(lines[opened - 1]) if opened else None
            text = "\n".join(lines[opened + 1 : number]) + "\n"
            found.append(Block(document, opened + 1, language, text, reason.group(1) if reason else None))
            start = None
    if start is not None:
        raise ValueError(f"{document}: the block in line {start[0] + 1} is not closed")
    return found


def prose(document: str) -> str:
    """The text without its blocks."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Links from headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
