"""Scripts that write words without spaces between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Characters that stand for themselves: Chinese, Japanese. (Thai and others have no spaces, but form no words alone.)
ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}]"

_ALONE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER = re.compile(r"[^\W\d_]")
_SAMPLE = 2000


def written_without_spaces(texts: Sequence[str]) -> bool:
    """Whether most letters are Chinese or Japanese, judged by texts spread evenly over the whole."""
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    letters = [letter for text in sample for letter in _LETTER.findall(text[:500])]
    return sum(bool(_ALONE.match(letter)) for letter in letters) * 2 > len(letters)
