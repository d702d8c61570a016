"""The terms of a text, by which BM25 compares it: words; characters and bigrams where no spaces divide words."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

#: Han, kana, and the scripts of Thailand, Laos, Myanmar and Cambodia, whose marks are no letters to Python.
_UNDIVIDED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(rf"(?P<undivided>[{_UNDIVIDED}]+)|[^\W_{_UNDIVIDED}]+")
_UNIT = re.compile(rf"[{_UNDIVIDED}]|[^\W_{_UNDIVIDED}]+")


def terms(text: str) -> list[str]:
    """The terms in their order, with repetitions; compatibility forms and case do not matter (NFKC, case-folded)."""
    found: list[str] = []
    for run in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = run.group()
        if run["undivided"] is None:
            found.append(word)
        else:
            found += word
            found += (word[place : place + 2] for place in range(len(word) - 1))
    return found


def unit_starts(text: str) -> np.ndarray:
    """(units,) int64: where each word, or character of a script without spaces, begins."""
    return np.fromiter((unit.start() for unit in _UNIT.finditer(text)), dtype=np.int64)
