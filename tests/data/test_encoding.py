from __future__ import annotations

import pytest

from dianji.data.encoding import binary_kind, decode, recognise
from dianji.data.findings import Findings
from dianji.data.source import Place
from dianji.errors import DataError

CHINESE = "text,label\n信用卡丢了怎么办，请帮我挂失,card\n我想申请一笔贷款，利率是多少？,loan\n"
GERMAN = "text,label\nWo ist meine Karte für das Girokonto?,card\nIch möchte einen größeren Kredit,loan\n"


def place(data: bytes) -> Place:
    return Place("-", "toy.csv", content=data)


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (CHINESE, "utf-8", "utf-8"),
        (CHINESE, "utf-8-sig", "utf-8"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "utf-16", "utf-16"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "latin-1", "latin-1"),
        (GERMAN, "utf-16-le", "utf-16"),
        (GERMAN, "utf-16-be", "utf-16"),
        ("text\nsmart “quotes” from Windows\n", "cp1252", "latin-1"),
        (CHINESE, "utf-32", "utf-32"),
    ],
)
def test_auto_recognises_what_tables_come_in(text, codec, name):
    findings = Findings()
    assert decode(place(text.encode(codec)), "auto", findings) == text
    assert findings.encodings == {"toy.csv": name}
    assert bool(findings.warnings) == (name == "latin-1")  # any bytes are Latin-1: a guess is said aloud


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16"])
def test_a_named_encoding_is_taken(codec):
    assert decode(place(CHINESE.encode(codec)), codec, Findings()) == CHINESE


def test_a_mark_goes_before_nothing():
    assert decode(place(b"\xef\xbb\xbftext\nx\n"), "utf-8", Findings()) == "text\nx\n"
    with pytest.raises(DataError, match="UTF-8 byte order mark"):
        decode(place(b"\xef\xbb\xbftext\nx\n"), "gb18030", Findings())


def test_a_wrong_encoding_names_offset_line_and_the_likely_one():
    with pytest.raises(DataError, match=r"toy.csv, line 2: byte 0x.. at offset 11 is not UTF-8") as error:
        decode(place(CHINESE.encode("gb18030")), "utf-8", Findings())
    assert "write encoding: gb18030" in str(error.value)


def test_a_few_broken_bytes_do_not_make_a_file_latin():
    data = (CHINESE * 10).encode().replace("贷".encode(), b"\xff", 2)
    with pytest.raises(DataError) as error:
        decode(place(data), "auto", Findings())
    assert str(error.value).count("byte 0xff") == 2
    assert "line 3" in str(error.value)
    assert "Repair" in str(error.value)


def test_many_broken_bytes_are_counted():
    data = ("好" * 1000).encode() + b"\xff\n" * 50
    with pytest.raises(DataError, match="and 30 more broken bytes"):
        decode(place(data), "utf-8", Findings())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04rest", "zip archive"),
        (b"PK\x03\x04 .. xl/workbook.xml", "Excel workbook"),
        (b"PAR1rest", "Parquet"),
        (b"\x89PNG\r\n", "PNG image"),
        (b"\xff\xd8\xff\xe0", "JPEG image"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"SQLite format 3\0", "SQLite"),
        (b"RIFF....WEBP", "WebP"),
        (bytes(range(1, 32)) * 40, "not known"),
    ],
)
def test_binary_files_are_named_for_what_they_are(data, kind):
    assert kind in str(binary_kind(data))
    with pytest.raises(DataError, match=kind):
        decode(place(data), "auto", Findings())


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_files(data):
    with pytest.raises(DataError, match="is empty"):
        decode(place(data), "auto", Findings())


def test_nul_characters_are_faults_with_their_lines():
    findings = Findings()
    decode(place(b"text,label\na\0b,x\nc,y\n\0d,z\n"), "auto", findings)
    assert [fault.split(":")[0] for fault in findings.faults] == ["toy.csv, line 2", "toy.csv, line 4"]


def test_plain_ascii_is_utf8():
    assert recognise(b"text\nhello\n") == "utf-8"
