"""Which encoding a text is in, where neither a mark nor UTF-8 says it: the candidates, each with its plausibility."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dianji.data.plausible import plausibility

#: (codec, what it is called, script). Codecs that are rarer come with a handicap.
_CANDIDATES = (
    ("gb18030", "gb18030", "han-simplified"),
    ("gb18030", "gb18030", "han-traditional"),
    ("gb18030", "gb18030", "japanese"),
    ("cp950", "big5", "han-traditional"),
    ("cp949", "euc-kr", "korean"),
    ("johab", "johab", "korean"),
    ("cp932", "shift_jis", "japanese"),
    ("euc_jp", "euc-jp", "japanese"),
    ("cp1252", "latin-1", "west"),
    ("cp1251", "windows-1251", "cyrillic"),
    ("koi8_u", "koi8-r", "cyrillic"),
    ("cp866", "cp866", "cyrillic"),
    ("iso8859_5", "iso-8859-5", "cyrillic"),
    ("mac_cyrillic", "mac-cyrillic", "cyrillic"),
    ("cp1253", "windows-1253", "greek"),
    ("cp1255", "windows-1255", "hebrew"),
    ("cp1256", "windows-1256", "arabic"),
    ("iso8859_6", "iso-8859-6", "arabic"),
    ("cp874", "cp874", "thai"),
    ("cp1250", "windows-1250", "centre"),
    ("iso8859_2", "iso-8859-2", "centre"),
    ("cp1254", "windows-1254", "turkish"),
    ("cp1257", "windows-1257", "baltic"),
    ("cp1258", "windows-1258", "vietnamese"),
    ("cp850", "cp850", "west"),
    ("cp852", "cp852", "centre"),
    ("mac_roman", "mac-roman", "west"),
)
_RARE = frozenset(
    {("gb18030", "japanese"), ("johab", "korean"), ("mac_cyrillic", "cyrillic"), ("cp1258", "vietnamese")}
    | {("cp850", "west"), ("mac_roman", "west"), ("cp852", "centre")}
)
_HANDICAP = 0.15
_NARROW = [(codec, script) for codec, _, script in _CANDIDATES]
#: 7-bit encodings that switch their alphabet by an escape sequence.
_ESCAPES = ((b"\x1b$B", "iso2022_jp"), (b"\x1b$@", "iso2022_jp"), (b"\x1b(J", "iso2022_jp"), (b"\x1b$)C", "iso2022_kr"))
#: Bytes by which candidates are compared, from the first that is not ASCII.
_SAMPLE = 2**18
#: Scripts that are tried in two bytes per character, where zero bytes say that this may be so.
_WIDE = ("han-simplified", "han-traditional", "japanese", "korean", "cyrillic", "greek", "arabic")
#: Of characters beyond ASCII, how plausible they must be …
_PLAUSIBLE = 0.45
#: … and how much more so than in any other encoding that reads the text otherwise.
_MARGIN = 0.12

SHOWN_AS = {codec: name for codec, name, _ in reversed(_CANDIDATES)} | {
    "utf-8-sig": "utf-8",
    "utf-16-le": "utf-16",
    "utf-16-be": "utf-16",
    "iso2022_jp": "iso-2022-jp",
    "iso2022_kr": "iso-2022-kr",
    "cp1252": "latin-1",
}


@dataclass(frozen=True)
class Guess:
    """The most plausible encoding, and whether it is sure enough to be used without being asked for."""

    codec: str
    sure: bool
    #: Other encodings that the bytes may be in, the most plausible first; with the best one at the head.
    candidates: tuple[str, ...] = ()


def escaped(data: bytes) -> str | None:
    """The codec of a text in an encoding of seven bits, which is valid ASCII but for its escape sequences."""
    return next((codec for escape, codec in _ESCAPES if escape in data), None)


def guess(data: bytes) -> Guess:
    """The encoding of bytes that are not UTF-8.

    A text with very few characters beyond ASCII fits several Western encodings; it is then taken for Latin-1.
    """
    wide = b"\0" in data[:_SAMPLE]
    candidates = [(codec, script) for codec in ("utf-16-le", "utf-16-be") for script in _WIDE] if wide else _NARROW
    sample = data[: min(len(data), _SAMPLE) // 2 * 2] if wide else _sample(data)
    scores: dict[str, tuple[float, str]] = {}
    for codec, script in candidates:
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        score = plausibility(text, script) - _HANDICAP * ((codec, script) in _RARE)
        if codec not in scores or score > scores[codec][0]:
            scores[codec] = (score, text)
    ranked = sorted(scores, key=lambda codec: -scores[codec][0])
    if not ranked:
        return Guess("latin-1", sure=False)
    best = ranked[0]
    others = [codec for codec in ranked[1:] if scores[codec][1] != scores[best][1]]
    margin = scores[best][0] - (scores[others[0]][0] if others else -1.0)
    sure = scores[best][0] >= _PLAUSIBLE and margin >= _MARGIN
    near = tuple(codec for codec in ranked if scores[codec][0] >= min(0.0, scores[best][0] - 0.3))[:4]
    if not sure and _western(sample, scores):
        return Guess("cp1252", sure=True, candidates=near)
    return Guess(best, sure, near)


def beyond_ascii(data: bytes) -> bytes:
    """The first line that is not ASCII."""
    found = re.search(rb"[\x80-\xff]", data)
    start = data.rfind(b"\n", 0, found.start()) + 1 if found else 0
    return data[start:].split(b"\n", 1)[0]


def _sample(data: bytes) -> bytes:
    """Whole lines from the first byte that is not ASCII."""
    found = re.search(rb"[\x80-\xff]", data)
    if found is None:
        return data[:_SAMPLE]
    start = data.rfind(b"\n", 0, found.start()) + 1
    part = data[start : start + _SAMPLE]
    end = part.rfind(b"\n") + 1
    return part[:end] if end and len(part) == _SAMPLE else part


def _western(sample: bytes, scores: dict[str, tuple[float, str]]) -> bool:
    """Whether the text is plausible as Latin-1 and no other alphabet is clearly more so."""
    if "cp1252" not in scores or scores["cp1252"][0] < _PLAUSIBLE:
        return False
    return max(score for score, _ in scores.values()) - scores["cp1252"][0] < _MARGIN
