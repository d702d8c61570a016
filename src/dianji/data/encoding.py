"""Bytes to text: encodings are recognised or named, and what does not fit is shown with its offset and line."""

from __future__ import annotations

import codecs
import re

from dianji.data.findings import SHOWN, Findings
from dianji.data.recognition import SHOWN_AS, beyond_ascii, escaped, guess
from dianji.data.source import Place
from dianji.errors import DataError

_MAGIC = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"SQLite format 3", "an SQLite data base"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (xls, doc)"),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Codecs by the names that are used here.
_OWN_NAMES = {"iso8859-1": "latin-1"}
#: Encodings that are recognised by what only they have; all others are told as a guess.
_CERTAIN = frozenset({"utf-8", "utf-16", "utf-32", "gb18030", "iso-2022-jp", "iso-2022-kr"})


def decode(place: Place, encoding: str, findings: Findings) -> str:
    """The text of a file without its byte order mark. NUL characters are faults.

    Raises:
        DataError: empty, binary, or not in the encoding (with byte offset and line).
    """
    data = place.read_bytes()
    refuse_empty(data, place.name)
    refuse_binary(data, place.name)
    codec = recognised(data, place.name) if encoding == "auto" else named(encoding, data, place.name)
    text = _decode(data, codec, place.name)
    told(codec, encoding, place.name, findings)
    _find_nuls(text, place.name, findings)
    return text


def refuse_empty(data: bytes, name: str) -> None:
    """Refuse a file of nothing but white space.

    Raises:
        DataError: it is one.
    """
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{name} is empty: at least one row is needed. Check the path, or write the rows.")


def refuse_binary(data: bytes, name: str) -> None:
    """Refuse what is no text.

    Raises:
        DataError: names what it looks like.
    """
    kind = binary_kind(data)
    if kind:
        raise DataError(
            f"{name} is {kind}, not text. Unpack it or export it as CSV or JSON lines; "
            "where it is a format that can be read, give it its own ending or name it as the data's format."
        )


def told(codec: str, encoding: str, name: str, findings: Findings) -> None:
    """Remember how a file is read, and warn where that is a guess."""
    shown = shown_as(codec)
    findings.encodings[name] = shown
    if encoding == "auto" and shown not in _CERTAIN:
        findings.warn(
            f"{name} is neither UTF-8 nor GB18030 and was read as {shown}, the most plausible encoding; "
            "name its encoding to be sure"
        )


def shown_as(codec: str) -> str:
    """What messages and reports call a codec."""
    return SHOWN_AS.get(codec, codec)


def binary_kind(data: bytes) -> str | None:
    """What a file that is not text looks like; None for text."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return "an Excel workbook (xlsx)" if kind == "a zip archive" and b"xl/" in data else kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP image"
    if data.startswith(tuple(bom for bom, _ in _BOMS)) or _utf16_without_mark(data):
        return None
    head = data[:65536]
    if escaped(head) or (b"\0" in head and _wide(head)):
        return None
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    return "binary data of a kind that is not known here" if controls > 0.05 * len(head) else None


def recognise(data: bytes) -> str:
    """The likeliest codec of text: by its mark, else UTF-8 where that fits (a few broken bytes aside), else a guess."""
    return _certain(data) or guess(data).codec


def recognised(data: bytes, name: str) -> str:
    """The same, where it is sure enough to be used without being asked for.

    Raises:
        DataError: it is not; names the candidates and how each would read the file.
    """
    certain = _certain(data)
    if certain is not None:
        return certain
    found = guess(data)
    if found.sure:
        return found.codec
    line = beyond_ascii(data)
    readings = {shown_as(codec): line.decode(codec, "replace").strip()[:60] for codec in found.candidates}
    listed = "; ".join(f"{codec} ('{text}')" for codec, text in readings.items())
    told = f"It may be {listed}" if listed else "No encoding that is tried gives plausible text"
    first = next(iter(readings), "shift_jis")
    raise DataError(
        f"{name}: the encoding cannot be told: it is not UTF-8. {told}. Name it: encoding: {first} in a recipe, "
        f"--encoding {first} for predict and evaluate, or any other that Python knows."
    )


def _certain(data: bytes) -> str | None:
    """The codec that a mark, an escape sequence or the rules of UTF-8 tell."""
    mark = marked(data)
    if mark:
        return mark
    switching = escaped(data)
    if switching and fits(data, switching):
        return switching
    if b"\0" in data:
        wide = _utf16_without_mark(data) or _wide(data)
        if wide:
            return wide
    if fits(data, "utf-8"):
        return "utf-8"
    return "utf-8" if b"\0" not in data and _mostly_utf8(data) else None  # decoding will show the broken bytes


def marked(data: bytes) -> str | None:
    """The codec that a byte order mark names."""
    return next((codec for bom, codec in _BOMS if data.startswith(bom)), None)


def named(encoding: str, data: bytes, name: str) -> str:
    """The codec of an encoding that a person named.

    Raises:
        DataError: the file's own mark says something else, or Python does not know the encoding.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"{name}: Python knows no encoding '{encoding}'. Write one such as utf-8, or auto.") from None
    if data.startswith(codecs.BOM_UTF8) and codec not in ("utf-8", "utf-8-sig"):
        raise DataError(
            f"{name} starts with a UTF-8 byte order mark, but the recipe says encoding: {encoding}. Write "
            "encoding: utf-8, or auto."
        )
    if codec == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16_without_mark(data) or "utf-16-le"
    return "utf-8-sig" if codec == "utf-8" else _OWN_NAMES.get(codec, codec)


def _decode(data: bytes, codec: str, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        if codec.startswith("utf-8"):
            faults, more = _broken_utf8(data, name)
        else:
            faults, more = [_broken_in(data, error.start, codec, name)], 0
    other = recognise(data)
    looks = shown_as(other)
    same = looks == shown_as(codec)
    advice = (
        "Repair these bytes at the source of the file, or name the encoding it is really in."
        if same
        else f"The file looks like {looks}: write encoding: {looks}, or leave it at auto."
    )
    raise DataError("\n".join([*faults, *([f"… and {more:,} more broken bytes"] if more else []), advice]))


def broken_byte(byte: int, line: int, offset: int, codec: str, name: str) -> str:
    """What is said of a byte that an encoding does not have."""
    return f"{name}, line {line}: byte 0x{byte:02x} at offset {offset:,} is not {shown_as(codec).upper()}"


def nul(name: str, line: int) -> str:
    """What is said of a NUL character."""
    return f"{name}, line {line}: a NUL character. The file is damaged or binary: write it again from its source."


def _broken_in(data: bytes, offset: int, codec: str, name: str) -> str:
    return broken_byte(data[offset], data.count(b"\n", 0, offset) + 1, offset, codec, name)


def _broken_utf8(data: bytes, name: str) -> tuple[list[str], int]:
    """The first broken bytes, and how many more there are."""
    faults: list[str] = []
    position = 0
    while len(faults) < SHOWN:
        try:
            data[position:].decode("utf-8")
            return faults, 0
        except UnicodeDecodeError as error:
            faults.append(_broken_in(data, position + error.start, "utf-8", name))
            position += error.end
    return faults, data[position:].decode("utf-8", "replace").count("\ufffd")


def _mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    good = sum(1 for character in text if character > "\x7f") - broken
    return good >= 10 * broken


def _utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 of mostly Western text has a zero in every second byte."""
    head = data[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.3 * len(head) / 2 and odd > 10 * even:
        return "utf-16-le"
    if even > 0.3 * len(head) / 2 and even > 10 * odd:
        return "utf-16-be"
    return None


def _wide(data: bytes) -> str | None:
    """UTF-16 of another script, whose zero bytes are those of line ends, commas and spaces."""
    found = guess(data)
    return found.codec if found.sure and found.codec.startswith("utf-16") else None


def fits(data: bytes, codec: str) -> bool:
    """Whether all of the bytes are text in the encoding."""
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _find_nuls(text: str, name: str, findings: Findings) -> None:
    position = text.find("\0")
    while position >= 0:
        line = text.count("\n", 0, position) + 1
        findings.fault(nul(name, line))
        if findings.count >= SHOWN:
            findings.count += text.count("\0", position + 1)
            return
        position = text.find("\0", position + 1)
