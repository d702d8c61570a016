"""Bytes to text: encodings are recognised or named, and what does not fit is shown with its offset and line."""

from __future__ import annotations

import codecs
import re

from dianji.data.findings import SHOWN, Findings
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
_SHOWN_AS = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16", "cp1252": "latin-1"}


def decode(place: Place, encoding: str, findings: Findings) -> str:
    """The text of a file without its byte order mark. NUL characters are faults.

    Raises:
        DataError: empty, binary, or not in the encoding (with byte offset and line).
    """
    data = place.read_bytes()
    refuse_empty(data, place.name)
    refuse_binary(data, place.name)
    codec = recognise(data) if encoding == "auto" else named(encoding, data, place.name)
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
    findings.encodings[name] = _SHOWN_AS.get(codec, codec)
    if encoding == "auto" and _SHOWN_AS.get(codec, codec) == "latin-1":
        findings.warn(f"{name} is neither UTF-8 nor GB18030 and was read as Latin-1; name its encoding to be sure")


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
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    return "binary data of a kind that is not known here" if controls > 0.05 * len(head) else None


def recognise(data: bytes) -> str:
    """The codec of text: by its mark, else UTF-8 where that fits (but for a few broken bytes), GB18030, Latin-1."""
    mark = marked(data)
    if mark:
        return mark
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    wide = _utf16_without_mark(data)
    if wide:
        return wide
    if _mostly_utf8(data):
        return "utf-8"  # decoding will show the broken bytes
    if _plausible_gb18030(data):
        return "gb18030"
    # Bytes 0x80-0x9f are control characters in Latin-1 and quotes and dashes in what such files really are.
    return "cp1252" if _fits(data, "cp1252") else "latin-1"


def marked(data: bytes) -> str | None:
    """The codec that a byte order mark names."""
    return next((codec for bom, codec in _BOMS if data.startswith(bom)), None)


def named(encoding: str, data: bytes, name: str) -> str:
    """The codec of an encoding that a person named.

    Raises:
        DataError: the file's own mark says something else.
    """
    if data.startswith(codecs.BOM_UTF8) and encoding != "utf-8":
        raise DataError(
            f"{name} starts with a UTF-8 byte order mark, but the recipe says encoding: {encoding}. Write "
            "encoding: utf-8, or auto."
        )
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16_without_mark(data) or "utf-16-le"
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _decode(data: bytes, codec: str, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        if codec.startswith("utf-8"):
            faults, more = _broken_utf8(data, name)
        else:
            faults, more = [_broken_in(data, error.start, codec, name)], 0
    other = recognise(data)
    looks = _SHOWN_AS.get(other, other)
    same = looks == _SHOWN_AS.get(codec, codec)
    advice = (
        "Repair these bytes at the source of the file, or name the encoding it is really in."
        if same
        else f"The file looks like {looks}: write encoding: {looks}, or leave it at auto."
    )
    raise DataError("\n".join([*faults, *([f"… and {more:,} more broken bytes"] if more else []), advice]))


def broken_byte(byte: int, line: int, offset: int, codec: str, name: str) -> str:
    """What is said of a byte that an encoding does not have."""
    return f"{name}, line {line}: byte 0x{byte:02x} at offset {offset:,} is not {_SHOWN_AS.get(codec, codec).upper()}"


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


def _plausible_gb18030(data: bytes) -> bool:
    """Chinese characters are pairs of high bytes; accented letters mostly stand alone between ASCII."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    paired = sum(length for length in runs if length > 1)
    if not runs or paired < 0.8 * sum(runs):
        return False
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    high = [character for character in text if character > "\x7f"]
    chinese = sum(1 for character in high if "\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef")
    return chinese >= 0.7 * len(high)


def _utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 of mostly Western text has a zero in every second byte."""
    head = data[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.3 * len(head) / 2 and odd > 10 * even:
        return "utf-16-le"
    if even > 0.3 * len(head) / 2 and even > 10 * odd:
        return "utf-16-be"
    return None


def _fits(data: bytes, codec: str) -> bool:
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
