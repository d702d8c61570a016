"""Documents of every layout, and what is said of those that cannot be indexed."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from dianji.errors import DataError, RecipeError
from dianji.retrieval.documents import Documents, read_documents
from tests.retrieval.conftest import write_documents


def read(path, **options):
    warned: list[str] = []
    return read_documents(str(path), warn=warned.append, **options), warned


def test_a_table_with_ids(tmp_path):
    found, warned = read(write_documents(tmp_path / "a.csv", ["one", "two"], ["x", "y"]))
    assert found.table["id"].to_pylist() == ["x", "y"]
    assert found.table["source"].to_pylist() == ["a.csv, line 2", "a.csv, line 3"]
    assert list(found) == ["one", "two"]
    assert warned == []


def test_without_ids_file_and_row_are_the_id(tmp_path):
    found, _ = read(write_documents(tmp_path / "a.csv", ["one", "two"]))
    assert found.table["id"].to_pylist() == ["a.csv, line 2", "a.csv, line 3"]


def test_json_lines_and_parquet_with_names_of_their_own(tmp_path):
    rows = [{"body": "one", "number": 7}, {"body": "two", "number": 8}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    digests = set()
    for name in ("a.jsonl", "a.parquet"):
        found, _ = read(tmp_path / name, columns={"text": "body", "id": "number"})
        assert found.table["id"].to_pylist() == ["7", "8"]
        digests.add(found.digest)
    assert len(digests) == 1


def test_a_folder_of_text_files_is_a_document_each(tmp_path):
    (tmp_path / "deep").mkdir()
    for name, text in (("README.md", "first\n\nline"), ("b.txt", "二"), ("deep/b.txt", "third"), (".hidden", "no")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found, _ = read(tmp_path)
    assert found.table["id"].to_pylist() == ["README.md", "b.txt", "deep/b.txt"]
    assert list(found) == ["first\n\nline", "二", "third"]


def test_a_text_file_is_a_document_per_line_and_a_markdown_file_is_one(tmp_path):
    for name in ("a.txt", "a.md"):
        (tmp_path / name).write_text("one\ntwo\n", encoding="utf-8")
    assert list(read(tmp_path / "a.txt")[0]) == ["one", "two"]
    assert list(read(tmp_path / "a.md")[0]) == ["one\ntwo"]


def test_an_encoding_is_recognised_or_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id,text\n1,我的银行卡丢了，请问应该怎么办\n".encode("gb18030"))
    assert list(read(path, encoding="gb18030")[0]) == ["我的银行卡丢了，请问应该怎么办"]
    with pytest.raises(DataError, match=r"a\.csv"):
        read(path, encoding="utf-8")


def test_empty_documents_are_refused_or_counted(tmp_path):
    path = write_documents(tmp_path / "a.csv", ["one", "  ", "two"], ["x", "y", "z"])
    with pytest.raises(DataError, match=r"a\.csv, line 3: the document is empty.*--drop-empty"):
        read(path)
    found, warned = read(path, drop_empty=True)
    assert found.table["id"].to_pylist() == ["x", "z"]
    assert warned == [f"{path}: 1 empty document left out."]


def test_an_id_that_occurs_twice(tmp_path):
    path = write_documents(tmp_path / "a.csv", ["one", "two", "three"], ["x", "y", "x"])
    with pytest.raises(DataError, match=r"a\.csv, line 4: the id 'x' is also that of a\.csv, line 2"):
        read(path)


def test_equal_documents_are_told(tmp_path):
    _, warned = read(write_documents(tmp_path / "a.csv", ["one", "one"], ["x", "y"]))
    assert warned == [f"{tmp_path / 'a.csv'}: 1 document with the text of an earlier one."]


def test_columns_that_are_not_there(tmp_path):
    path = write_documents(tmp_path / "a.csv", ["one"], ["x"])
    with pytest.raises(DataError, match="body"):
        read(path, columns={"text": "body"})
    with pytest.raises(RecipeError, match=r"--column label: documents have no such column.*Known: id, text"):
        read(path, columns={"label": "text"})


def test_no_document(tmp_path):
    path = write_documents(tmp_path / "a.csv", [], [])
    with pytest.raises(DataError):
        read(path)


def test_they_come_back_from_their_file(tmp_path):
    found, _ = read(write_documents(tmp_path / "a.csv", ["one", "二\n"], ["x", "y"]))
    found.write(tmp_path / "documents.arrow")
    again = Documents.read(tmp_path / "documents.arrow")
    assert again.table.equals(found.table)
    assert again.digest == found.digest
    assert (again.id(1), again.text(1), again.places) == ("y", "二\n", {"x": 0, "y": 1})
