"""How far an answer agrees with the expected ones: exact match and F1, as the official scripts count them.

English and other spaced languages after SQuAD (Rajpurkar et al., 2016, arXiv:1606.05250; evaluate-v2.0.py): words in
lower case without punctuation and articles, F1 over the bags of words. Chinese after CMRC 2018 (Cui et al., 2019,
arXiv:1810.07366; cmrc2018_evaluate.py): characters for Chinese, words for the rest, F1 over the longest common run.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_HAN = re.compile(r"[\u4e00-\u9fa5]")
#: The script's own list.
_CHINESE_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》……·、「」（）－～『』")


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether most of the texts hold Chinese characters."""
    return sum(bool(_HAN.search(text)) for text in texts) * 2 > len(texts)


def exact_match(answer: str, golds: Sequence[str], *, chinese: bool) -> float:
    """1 where the answer equals one of the expected ones after normalisation; no golds: 1 for an empty answer."""
    normal: Callable[[str], object] = _chinese_text if chinese else _english_text
    return float(max((normal(answer) == normal(gold) for gold in golds), default=not answer))


def f1(answer: str, golds: Sequence[str], *, chinese: bool) -> float:
    """The largest F1 over the expected answers, in [0, 1]; no golds: 1 for an empty answer."""
    measure = _chinese_f1 if chinese else _english_f1
    return max((measure(answer, gold) for gold in golds), default=float(not answer))


def _english_text(text: str) -> str:
    plain = "".join(character for character in text.lower() if character not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def _english_f1(answer: str, gold: str) -> float:
    given, wanted = _english_text(answer).split(), _english_text(gold).split()
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else 0.0


def _chinese_text(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in _CHINESE_PUNCTUATION)


def _segments(text: str) -> list[str]:
    """Chinese characters one by one, everything between them as words; the script's ``mixed_segmentation``."""
    found: list[str] = []
    pending = ""
    for character in text.lower().strip():
        if character in _CHINESE_PUNCTUATION:
            continue
        if _HAN.match(character):
            found += [*_words(pending), character]
            pending = ""
        else:
            pending += character
    return [*found, *_words(pending)]


def _words(text: str) -> list[str]:
    """Words and marks of punctuation, as the script's tokenizer of English divides them."""
    return re.findall(r"\w+|[^\w\s]", text)


def _chinese_f1(answer: str, gold: str) -> float:
    given, wanted = _segments(answer), _segments(gold)
    common = _longest_run(given, wanted)
    if not common:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _longest_run(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest run of items that both have."""
    before = [0] * (len(second) + 1)
    longest = 0
    for item in first:
        row = [0] * (len(second) + 1)
        for place, other in enumerate(second):
            if item == other:
                row[place + 1] = before[place] + 1
                longest = max(longest, row[place + 1])
        before = row
    return longest
