"""The sentences of a text, Chinese or written with spaces, by their places."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Quotes and brackets that close after the end of a sentence still belong to it.
_CLOSING = "[\"'”’」』）)\\]】》]*"
#: A line break; Chinese and other marks that end a sentence whatever follows; a full stop before white space.
_END = re.compile(rf"\n+|[。！？!?…；]+{_CLOSING}|\.+{_CLOSING}(?=\s|$)")
#: Abbreviations after which a sentence goes on, and single initials: ``Dr. Lee``, ``J. Smith``.
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|No|Fig|Eq|cf|al|e\.g|i\.e|approx|Inc|Ltd|Co|Mt)\.$"
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """(start, stop) of each sentence in characters, without white space around it; blank stretches are left out.

    Sentences do not overlap and come in their order; every character outside of them is white space.
    """
    start = 0
    for end in _END.finditer(text):
        if end.group()[0] == "." and _ABBREVIATED.search(text, max(start, end.start() - 12), end.start() + 1):
            continue
        yield from _trimmed(text, start, end.end())
        start = end.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    part = text[start:stop]
    kept = part.strip()
    if kept:
        first = start + len(part) - len(part.lstrip())
        yield first, first + len(kept)
