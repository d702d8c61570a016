"""Tagging schemes: spans of words as one tag per word, and back.

BIO (IOB2) begins every span with B. IOB1 does so only where a span follows another one of the same type. BIOES (IOBES)
also ends spans with E and marks spans of one word with S; BILOU and BMES are the same scheme with other letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

Scheme = Literal["bio", "iob1", "bioes"]
OUTSIDE = "O"
_TAG = re.compile(r"([BIOESLUM])-(.+)", re.DOTALL)
#: Letters of BILOU and BMES.
_SAME = {"L": "E", "U": "S", "M": "I"}


class Span(NamedTuple):
    """Words (or characters) ``start`` to ``end``, the latter excluded."""

    start: int
    end: int
    label: str


class Tag(NamedTuple):
    """``position`` is B, I, E, S or O; ``label`` is empty for O."""

    position: str
    label: str


def parse(tag: str) -> Tag:
    """``B-PER`` -> (B, PER). A tag without a position, such as a part of speech, is a span of its own.

    Law: tags of BILOU and BMES give the letters of BIOES.
    """
    found = _TAG.fullmatch(tag)
    if tag == OUTSIDE or (found and found[1] == OUTSIDE):
        return Tag(OUTSIDE, "")
    if found is None:
        return Tag("S", tag)
    return Tag(_SAME.get(found[1], found[1]), found[2])


def has_position(tag: str) -> bool:
    """Whether the tag is ``O`` or names a position."""
    return tag == OUTSIDE or _TAG.fullmatch(tag) is not None


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of a sequence in any scheme, as conlleval reads it: a span that lacks its beginning still begins.

    Tjong Kim Sang & De Meulder (2003); seqeval's default mode does the same.
    """
    found: list[Span] = []
    start, before = 0, Tag(OUTSIDE, "")
    for place, tag in enumerate(map(parse, [*tags, OUTSIDE])):
        if before.position != OUTSIDE and _ends(before, tag):
            found.append(Span(start, place, before.label))
        if tag.position != OUTSIDE and _begins(before, tag):
            start = place
        before = tag
    return found


def tags_of(spans: Iterable[Span], words: int, scheme: Scheme = "bio") -> list[str]:
    """Inverse of ``spans_of`` for spans that do not overlap: ``spans_of(tags_of(spans, words)) == sorted(spans)``.

    Raises:
        ValueError: a span lies outside the words, is empty, or overlaps another one.
    """
    tags = [OUTSIDE] * words
    ordered = sorted(spans)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(f"{before} and {after} overlap")
    follows = Span(-1, -1, "")
    for span in ordered:
        if not 0 <= span.start < span.end <= words:
            raise ValueError(f"{span} is not within {words} words")
        for place, letter in enumerate(_letters(span, follows, scheme), start=span.start):
            tags[place] = f"{letter}-{span.label}"
        follows = span
    return tags


def scheme_of(rows: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that these sequences are written in.

    E, S and their like are BIOES. Without them it is IOB1 where some span begins with I and every B is one that IOB1
    asks for; all else is BIO.
    """
    begun_by_i = wrong_for_iob1 = False
    for tags in rows:
        before = Tag(OUTSIDE, "")
        for tag in map(parse, tags):
            if tag.position in ("E", "S"):
                return "bioes"
            fresh = before.label != tag.label or before.position == OUTSIDE
            begun_by_i |= tag.position == "I" and fresh
            wrong_for_iob1 |= tag.position == "B" and fresh
            before = tag
    return "iob1" if begun_by_i and not wrong_for_iob1 else "bio"


def faults(tags: Sequence[str], scheme: Scheme) -> Iterator[tuple[int, str]]:
    """(place, what is wrong there) for every tag that the scheme does not allow."""
    if scheme == "iob1":
        return
    before = Tag(OUTSIDE, "")
    for place, (written, tag) in enumerate(zip([*tags, OUTSIDE], map(parse, [*tags, OUTSIDE]), strict=True)):
        goes_on = tag.position in ("I", "E")
        if goes_on and not (before.position in ("B", "I") and before.label == tag.label):
            yield place, f"{written} does not follow B-{tag.label} or I-{tag.label}"
        elif scheme == "bioes" and before.position in ("B", "I") and not goes_on:
            yield place - 1, f"{tags[place - 1]} is not followed by I-{before.label} or E-{before.label}"
        before = tag


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """The same spans in another scheme."""
    return tags_of(spans_of(tags), len(tags), scheme)


def _begins(before: Tag, tag: Tag) -> bool:
    return tag.position in ("B", "S") or before.position in (OUTSIDE, "E", "S") or before.label != tag.label


def _ends(before: Tag, tag: Tag) -> bool:
    return before.position in ("E", "S") or tag.position in (OUTSIDE, "B", "S") or before.label != tag.label


def _letters(span: Span, follows: Span, scheme: Scheme) -> str:
    length = span.end - span.start
    if scheme == "bioes":
        return "S" if length == 1 else f"B{'I' * (length - 2)}E"
    touches = follows.end == span.start and follows.label == span.label
    return ("I" if scheme == "iob1" and not touches else "B") + "I" * (length - 1)
