"""Words of a text, by one rule for all bases: predictions and gold spans are whole words, with places in the text.

A run of letters and digits is a word. A Chinese character, a kana, a punctuation mark and a symbol are words by
themselves. Combining marks belong to what stands before them. White space and control characters are in no word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: ``auto``: the rule of this module. ``characters``: everything but white space and control characters is a word.
WordRule = Literal["auto", "characters"]

_ALONE = re.compile("[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER, _MARK, _SINGLE, _SPACE = "w", "m", ".", " "
_WORD: Mapping[WordRule, re.Pattern[str]] = {
    "auto": re.compile(r"w[wm]*|\.m*|m+"),
    "characters": re.compile(r"[w.]m*|m+"),
}


@dataclass(frozen=True)
class Passage:
    """A text and where its words stand: word ``i`` is ``text[starts[i]:ends[i]]``."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    #: Whether the words were given as a list; then places in ``text`` mean nothing to whoever gave them.
    given: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def words(self) -> list[str]:
        """In order."""
        return [self.text[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    @property
    def spaced(self) -> list[bool]:
        """Whether white space, or the beginning of the text, stands before each word."""
        return [start == 0 or self.text[start - 1].isspace() for start in self.starts]


def passage(text: str, rule: WordRule = "auto") -> Passage:
    """The words of a text."""
    found = [match.span() for match in _WORD[rule].finditer(text.translate(_KINDS))]
    return Passage(text, [start for start, _ in found], [end for _, end in found])


def joined(words: Sequence[str]) -> Passage:
    """A passage of words that were given: a space between them, but none between two Chinese characters or kana."""
    parts: list[str] = []
    starts: list[int] = []
    place, before = 0, ""
    for word in words:
        if parts and not (stands_alone(before[-1:]) and stands_alone(word[:1])):
            parts.append(" ")
            place += 1
        parts.append(word)
        starts.append(place)
        place += len(word)
        before = word
    return Passage("".join(parts), starts, [a + len(b) for a, b in zip(starts, words, strict=True)], given=True)


def stands_alone(character: str) -> bool:
    """Whether it is a Chinese character or a kana."""
    return _ALONE.match(character) is not None


class _Kinds(dict[int, str]):
    """Code point -> kind of character, found when first asked for; for ``str.translate``."""

    def __missing__(self, code: int) -> str:
        kind = self[code] = _kind(chr(code))
        return kind


def _kind(character: str) -> str:
    if character.isspace():
        return _SPACE
    if stands_alone(character):
        return _SINGLE
    category = unicodedata.category(character)
    if category[0] == "M":
        return _MARK
    if category[0] in ("L", "N"):
        return _LETTER
    return _SPACE if category in ("Cc", "Cf", "Cs") else _SINGLE


_KINDS = _Kinds()
