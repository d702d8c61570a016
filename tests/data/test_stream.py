"""Rows a chunk at a time: the same rows, encodings and faults as when a file is read whole."""

from __future__ import annotations

import io
import json
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dianji.data import lines
from dianji.data.encoding import decode
from dianji.data.findings import Findings
from dianji.data.lines import codec_of, open_text
from dianji.data.read import open_stream, rows
from dianji.data.source import Peekable, Place, pieces
from dianji.errors import DataError
from tests.data.helpers import ROWS, TEXT, write_csv, write_jsonl


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("dianji.data.source.CHUNK_ROWS", 7)


def piped(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


def read(path, mapping=None):
    chunks = list(open_stream(str(path), TEXT, mapping or {}).chunks())
    assert all(chunk.num_rows <= 7 for chunk in chunks)
    return pa.concat_tables(chunks).combine_chunks()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FILES = {
    "toy.csv": "text,label\n" + "".join(f'"a, {n}\nand more",x\n' for n in range(20)),
    "old.csv": "text;label\r" + "".join(f"卡 {n};x\r" for n in range(20)),
    "toy.tsv": "text\tlabel\n" + "".join(f'he said "{n}\tx\n' for n in range(20)),
    "toy.jsonl": "".join(json.dumps({"text": f"a\u2028{n}"}, ensure_ascii=False) + "\r\n" for n in range(20)),
    "labelled.txt": "".join(f"a text of {n}\t{'xy'[n % 2]}\n" for n in range(20)),
    "toy.txt": "".join(f"line {n}\r\n" for n in range(20)) + "\nlast",
    "toy.json": json.dumps([{"text": f"row {n}"} for n in range(20)]),
}


@pytest.mark.parametrize("name", FILES)
def test_the_rows_of_a_file(tmp_path, name):
    path = write(tmp_path, name, FILES[name])
    stream = open_stream(str(path), TEXT, {})
    assert stream.rows == rows(str(path), TEXT).num_rows
    assert read(path).equals(rows(str(path), TEXT).combine_chunks())


def test_several_files_one_after_the_other(tmp_path):
    write_csv(tmp_path / "a.csv")
    write_jsonl(tmp_path / "b.jsonl", [{"text": text} for text, _ in ROWS])
    assert read(tmp_path).equals(rows(str(tmp_path), TEXT).combine_chunks())


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "cp1252"])
def test_encodings_are_recognised_by_the_whole_file(tmp_path, monkeypatch, codec):
    monkeypatch.setattr(lines, "_BLOCK", 64)
    word = "café “quoted”" if codec == "cp1252" else "我想要退款，请快一点"
    content = "text\n" + "plain ascii at first\n" * 20 + f"{word}\n" * 10
    path = write(tmp_path, "toy.csv", content.encode(codec))
    assert read(path).equals(rows(str(path), TEXT).combine_chunks())
    assert read(path)["text"][-1].as_py() == word


@given(st.binary(max_size=200), st.integers(1, 40))
def test_a_text_is_decoded_as_a_whole_or_refused_as_a_whole(data, block):
    place = Place("made-up", "made-up", content=b"text " + data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_BLOCK", block)
        expected, found = decoded(place), streamed(place)
    assert found == expected


def decoded(place):
    findings = Findings()
    try:
        text = decode(place, "utf-8", findings)
        findings.check()
    except DataError:
        return None
    return text


def streamed(place):
    try:
        with open_text(place, "utf-8", Findings()) as file:
            return "".join(file)
    except DataError:
        return None


def test_a_broken_byte_is_told_with_line_and_offset(tmp_path):
    content = b"text\n" + "köln\n".encode() * 30 + b"bad \xff byte\n" + b"good\n" * 30
    path = write(tmp_path, "toy.csv", content)
    with pytest.raises(DataError, match=rf"toy.csv, line 32: byte 0xff at offset {content.index(0xFF)} is not UTF-8"):
        open_stream(str(path), TEXT, {})


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "text,label\na,b\n" * 1 + "x\n" + "a,b\n" * 20 + "y\n", r"line 3: 1 cell .*\n.*line 24: 1 cell"),
        ("a.jsonl", '{"text": "a"}\n' * 19 + "nonsense\n", "line 20: not JSON"),
        ("a.jsonl", "\n\n", "is empty"),
        ("a.csv", "text,label\n", "has a header .* and no rows"),
        ("a.csv", "label\na\n", "needs a column 'text'"),
        ("a.txt", "one\n" * 9 + "t\0wo\n", "line 10: a NUL character"),
        ("a.bin", b"\x89PNG....", "a PNG image"),
    ],
    ids=["cells", "json", "empty", "no-rows", "column", "nul", "binary"],
)
def test_faults_are_told_before_the_first_row(tmp_path, name, content, told):
    with pytest.raises(DataError, match=told):
        open_stream(str(write(tmp_path, name, content)), TEXT, {})


def test_standard_input_comes_once_and_its_faults_when_they_are_met(monkeypatch):
    piped(monkeypatch, b'{"text": "a"}\n' * 30 + b"nonsense\n")
    stream = open_stream("-", TEXT, {})
    assert stream.rows is None
    chunks = stream.chunks()
    assert next(chunks).num_rows == 7
    with pytest.raises(DataError, match="standard input, line 31: not JSON"):
        list(chunks)


@pytest.mark.parametrize("name", ["toy.jsonl", "toy.tsv", "labelled.txt", "toy.txt"])
def test_standard_input_gives_what_the_file_gives(tmp_path, monkeypatch, name):
    path = write(tmp_path, name, FILES[name])
    piped(monkeypatch, path.read_bytes())
    assert read("-")["text"].to_pylist() == rows(str(path), TEXT)["text"].to_pylist()


def test_a_pipe_is_not_read_further_than_needed():
    class Slow(io.BytesIO):
        def read1(self, size=-1):
            return super().read1(min(size, 10))

    source = Slow(b"0123456789" * 5)
    peekable = Peekable(source, 100)
    assert peekable.head == b"0123456789"
    assert source.tell() == 10
    assert io.BufferedReader(peekable).read() == b"0123456789" * 5


def test_a_text_that_a_line_lacks_is_told_alike(tmp_path):
    records = [{"text": f"a {n}"} if n < 3 else {"other": n} for n in range(20)]
    path = write_jsonl(tmp_path / "a.jsonl", records)
    for every in (lambda: read(path), lambda: rows(path, TEXT)):
        with pytest.raises(DataError, match=r"a.jsonl, line 4: the text is missing \(column 'text'\)"):
            every()


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 30))
def test_pieces_lose_nothing_and_stay_small(items, most):
    found = list(pieces(items, lambda item: item, most))
    assert [item for piece in found for item in piece] == items
    assert all(0 < len(piece) <= 7 and sum(piece[:-1]) < most for piece in found)


def test_a_named_encoding_is_taken(tmp_path):
    path = write(tmp_path, "a.txt", "köln".encode("latin-1"))
    assert codec_of(Place(str(path), "a.txt"), "latin-1") == "latin-1"
