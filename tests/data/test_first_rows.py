"""First rows and folders are read as what they are, or what they may be is told."""

from __future__ import annotations

import io
import json
import sys

import pytest

from dianji.data.inspect import inspect
from dianji.data.read import open_stream, rows
from dianji.errors import DataError
from tests.data.helpers import IMAGES, LABELLED, ROWS, TEXT, everything, read, texts, write_csv


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def table(lines, header="text,label"):
    return "\n".join([header, *lines]) + "\n"


def found(loaded):
    return {(row["text"], row["label"]) for row in everything(loaded)}


# Headers --------------------------------------------------------------------------------------------------------------

HEADLESS = "\n".join(f"where is my {kind} number {n},{kind}" for n in range(12) for kind in ("card", "loan")) + "\n"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_first_row_that_was_taken_for_the_header_is_told(tmp_path, name):
    content = (
        HEADLESS if name == "a.csv" else "text here\tcard\tx\n" * 2 + HEADLESS.replace(",", "\t").replace("\n", "\tx\n")
    )
    path = written(tmp_path / name, content)
    told = [warning for warning in inspect(path).warnings if "was read as the header and may be a row" in warning]
    assert len(told) == 1
    assert "options: {header: [" in told[0]
    assert f"{name}, line 1" in told[0]


def test_the_advice_about_the_header_works(tmp_path):
    path = written(tmp_path / "a.csv", HEADLESS)
    assert "options: {header: [text, label]}" in inspect(path).warnings[0]
    loaded = read(path, format="csv", options={"header": ["text", "label"]})
    assert len(everything(loaded)) == 24
    assert not any("header" in warning for warning in loaded.warnings)
    loaded = read(write_csv(tmp_path / "b.csv"), format="csv", options={"header": ["text", "label"]})
    assert any("the first row repeats the names" in warning for warning in loaded.warnings)


@pytest.mark.parametrize("header", ["1,card", "I have been waiting for my new card for more than two weeks now and,3"])
def test_a_header_of_numbers_or_sentences_is_told(tmp_path, header):
    path = written(tmp_path / "a.csv", table([f"row {n},{n}" for n in range(9)], header))
    assert any("may be a row, because" in warning for warning in inspect(path).warnings)


@pytest.mark.parametrize(
    "header", ["text,label", "query,intent", "the_text,y_class", "sentence1,label_id", "文本,标签"]
)
def test_usual_headers_are_not(tmp_path, header):
    path = written(tmp_path / "a.csv", table([f"row {n},{'ab'[n % 2]}" for n in range(9)], header))
    assert not any("header" in warning for warning in inspect(path).warnings)


def test_headers_of_joined_files_are_told(tmp_path):
    lines = [",".join(row) for row in ROWS]
    path = written(tmp_path / "a.csv", table([*lines[:10], "text,label", *lines[10:]]))
    assert any("1 row like the header: a.csv, line 12" in warning for warning in read(path).warnings)


@pytest.mark.parametrize("first", ["sep=;\n", "sep=;\r\n", '"sep=;"\n'])
def test_the_line_by_which_excel_names_the_delimiter(tmp_path, first):
    lines = [f"a text, with a comma {n};{'xy'[n % 2]}" for n in range(24)]
    path = written(tmp_path / "a.csv", first + table(lines, "text;label"))
    loaded = read(path)
    assert ("a text, with a comma 3", "y") in found(loaded)
    assert min(int(row["__source__"].rpartition(" ")[2]) for row in everything(loaded)) == 3
    assert next(open_stream(path, TEXT, {}).chunks())["text"][0].as_py() == "a text, with a comma 0"
    with pytest.raises(DataError, match="line 4: 3 cells"):
        read(written(tmp_path / "b.csv", first + "text;label\na;b\nc;d;e\n"))


def test_trailing_delimiters_in_rows_alone(tmp_path):
    path = written(tmp_path / "a.csv", table([f"row {n},{'ab'[n % 2]}," for n in range(24)]))
    loaded = read(path)
    assert ("row 1", "b") in found(loaded)
    assert any("24 rows end with a ',' more than the header" in warning for warning in loaded.warnings)
    with pytest.raises(DataError, match="line 3: 4 cells"):
        read(written(tmp_path / "b.csv", table(["a,b", "c,d,,"])))


def test_a_space_before_a_quote(tmp_path):
    path = written(tmp_path / "a.csv", table([f'"row, {n}", "{"ab"[n % 2]}, c"' for n in range(24)], '"text", "label"'))
    assert ("row, 1", "b, c") in found(read(path))
    path = written(tmp_path / "b.csv", table([f'he said "hi" {n}, x{n % 2}' for n in range(24)]))
    assert ('he said "hi" 1', "x1") in found(read(path, format="csv", options={"quoting": "none"}))


# JSON -----------------------------------------------------------------------------------------------------------------

RECORDS = [{"text": f"row {n}", "label": "ab"[n % 2]} for n in range(24)]
INDEX = {str(n): record for n, record in enumerate(RECORDS)}
COLUMNS = {name: {str(n): record[name] for n, record in enumerate(RECORDS)} for name in ("text", "label")}
SPLIT = {"columns": ["text", "label"], "index": list(range(24)), "data": [list(record.values()) for record in RECORDS]}
FIELDS = [{"name": "index", "type": "integer"}, {"name": "text", "type": "string"}, {"name": "label", "type": "string"}]
SCHEMA = {"schema": {"fields": FIELDS}, "data": [{"index": n, **record} for n, record in enumerate(RECORDS)]}
LISTS = {name: [record[name] for record in RECORDS] for name in ("text", "label")}
NAMED = {f"id-{n}": record for n, record in enumerate(RECORDS)}


@pytest.mark.parametrize(
    "document",
    [RECORDS, INDEX, COLUMNS, SPLIT, SCHEMA, LISTS, NAMED, {"train": SPLIT["data"]}, SPLIT["data"]],
    ids=["records", "index", "columns", "split", "table", "list", "named", "train-of-lists", "values"],
)
def test_layouts_of_json(tmp_path, document):
    loaded = read(written(tmp_path / "a.json", json.dumps(document)))
    assert found(loaded) == {(record["text"], record["label"]) for record in RECORDS}


def test_lists_whose_sides_cannot_be_told_get_numbers(tmp_path):
    path = written(tmp_path / "a.json", json.dumps([[f"a {n}", f"b {n}", n] for n in range(9)]))
    with pytest.raises(DataError, match=r"found: column_1 .*column_2 .*column_3"):
        read(path)
    loaded = read(path, TEXT, columns={"text": "column_2"})
    assert texts(loaded.splits["train"])[0].startswith("b ")
    assert any("their columns are called column_1, column_2, column_3" in warning for warning in loaded.warnings)
    with pytest.raises(DataError, match="rows are lists of 1, 2 values"):
        read(written(tmp_path / "b.json", "[[1], [2, 3]]"))


def test_lists_with_a_header(tmp_path):
    rows_ = [["query", "intent"], *(list(record.values()) for record in RECORDS)]
    loaded = read(written(tmp_path / "a.json", json.dumps(rows_)), columns={"text": "query", "label": "intent"})
    assert len(everything(loaded)) == 24


def test_all_splits_of_a_document_on_request(tmp_path):
    document = {"train": RECORDS, "val": [{"text": "v", "label": "a"}], "oos_train": [{"text": "o", "label": "oos"}]}
    path = written(tmp_path / "a.json", json.dumps(document))
    with pytest.raises(
        DataError, match=r"which one is meant\?.*options: \{field: '\*'\}.*Known: oos_train, train, val"
    ):
        read(path)
    loaded = read(path, format="json", options={"field": "*"})
    assert texts(loaded.splits["validation"]) == ["v"]
    assert any("'oos_train' (1 row) is no split and was left out" in warning for warning in loaded.warnings)


def test_a_row_alone(tmp_path):
    assert rows(written(tmp_path / "a.json", '{"text": "alone", "label": "a"}'), TEXT)["text"].to_pylist() == ["alone"]


# Standard input and files without an ending ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "text,label\na,x\nb,y\n",
        "id;text\n1;a\n2;b\n",
        "id\ttext\n1\ta\n2\tb\n",
        '[{"text": "a"}, {"text": "b"}]',
        '[\n  {"text": "a"},\n  {"text": "b"}\n]',
        '{"data": [{"text": "a"}, {"text": "b"}]}',
        '{"text": "a"}\n{"text": "b"}\n',
        "a\nb\n",
    ],
)
def test_tables_without_an_ending_are_recognised(tmp_path, monkeypatch, content):
    assert texts(rows(written(tmp_path / "noname", content), TEXT)) == ["a", "b"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert texts(rows("-", TEXT)) == ["a", "b"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content.encode()))))
    assert [text for chunk in open_stream("-", TEXT, {}).chunks() for text in texts(chunk)] == ["a", "b"]


def test_prose_with_commas_stays_prose_and_what_may_be_a_table_is_told(tmp_path):
    prose = "Hello, where is my card\nYes, it is here\nIn the text, as the label says\n"
    told: list[str] = []
    assert rows(written(tmp_path / "a.txt", prose), TEXT, warn=told.append).num_rows == 3
    assert any("was read as lines of text, and every line has as many ','" in warning for warning in told)
    told.clear()
    rows(written(tmp_path / "b.txt", "one, two\nthree\nfour\n"), TEXT, warn=told.append)
    assert told == []


# Folders --------------------------------------------------------------------------------------------------------------


def folders(root, names=("card", "loan"), count=12, suffix=".txt"):
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / name / f"{number}{suffix}").write_text(f"where is my {name}\nnumber {number}\n")
    return str(root)


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_class_folders_of_texts(tmp_path, suffix):
    (tmp_path / "README.md").write_text("about")
    loaded = read(folders(tmp_path, suffix=suffix))
    assert len(everything(loaded)) == 24
    assert ("where is my card\nnumber 3", "card") in found(loaded)
    assert any("each file is a row, and its folder is the label" in warning for warning in loaded.warnings)
    assert len(everything(read(str(tmp_path), TEXT, format="text"))) == 48


def test_class_folders_below_splits(tmp_path):
    for split in ("train", "test"):
        folders(tmp_path / split)
    (tmp_path / "urls.txt").write_text("http://example.com\n")
    (tmp_path / "train" / "loan" / "empty.txt").write_text("")
    (tmp_path / "test" / "account").mkdir()
    loaded = read(str(tmp_path))
    assert loaded.splits["test"].num_rows == 24
    assert any("1 file outside of classes left out (urls.txt)" in warning for warning in loaded.warnings)
    assert any("1 folder without a file that is read (test/account)" in warning for warning in loaded.warnings)
    assert loaded.report["empty"] == {"count": 1, "rows": ["train/loan/empty.txt"]}


def test_encodings_of_many_files_are_one_warning(tmp_path):
    folders(tmp_path)
    for number in range(3):
        (tmp_path / "card" / f"{number}.txt").write_bytes("Wo ist meine Karte für das Konto".encode("latin-1"))
    told = [warning for warning in read(str(tmp_path)).warnings if "plausible encoding" in warning]
    assert len(told) == 1
    assert "2 more files" in told[0]
    (tmp_path / "loan" / "1.txt").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"loan/1.txt is a zip archive, not text"):
        read(str(tmp_path))


def test_one_folder_of_texts_is_no_class_folder(tmp_path):
    folders(tmp_path, ("card",))
    assert "label" not in rows(str(tmp_path), TEXT).column_names
    assert rows(str(tmp_path), TEXT).num_rows == 24


# Images ---------------------------------------------------------------------------------------------------------------


def pictures(root, suffix=".png", format_="PNG", names=("cat", "dog"), count=6):
    image = pytest.importorskip("PIL.Image")
    for kind, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image.new("RGB", (8, 8), (number * 30, 0, 100 * kind)).save(root / name / f"{number}{suffix}", format_)
    return str(root)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ""])
def test_jpeg_files_by_whatever_ending(tmp_path, suffix):
    loaded = read(pictures(tmp_path, suffix, "JPEG"), IMAGES)
    assert loaded.report["images"]["image"]["formats"] == {"JPEG": 12}
    assert rows(str(tmp_path / "cat" / f"0{suffix}"), IMAGES).num_rows == 1


@pytest.mark.parametrize("other", [".xml", ".lab"])
def test_annotations_beside_images_are_left_out_and_said(tmp_path, other):
    pictures(tmp_path)
    for file in list(tmp_path.rglob("*.png")):
        file.with_suffix(other).write_text("<annotation>cat</annotation>")
        file.with_suffix(f"{other}2").write_text("more")
    loaded = read(str(tmp_path), IMAGES)
    assert len(everything(loaded)) == 12
    assert any("24 files are no images and were left out" in warning for warning in loaded.warnings)


def test_images_beside_as_many_tables_are_refused(tmp_path):
    pictures(tmp_path, count=1)
    for name in ("a", "b", "c"):
        write_csv(tmp_path / f"{name}.csv")
    with pytest.raises(DataError, match=r"holds 2 images beside a.csv; b.csv; c.csv: which are the rows\?"):
        read(str(tmp_path), IMAGES)


def test_empty_class_folders_are_told(tmp_path):
    pictures(tmp_path)
    (tmp_path / "bird").mkdir()
    (tmp_path / ".hidden").mkdir()
    told = [warning for warning in read(str(tmp_path), IMAGES).warnings if "without a file" in warning]
    assert [warning.partition(": ")[2].rpartition(": ")[2] for warning in told] == [
        "1 folder without a file that is read (bird)"
    ]


# Links ----------------------------------------------------------------------------------------------------------------


def test_a_link_that_leads_to_nothing(tmp_path):
    (tmp_path / "train.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"train.csv is a link to .*gone.csv, which does not exist") as caught:
        read(str(tmp_path / "train.csv"), LABELLED)
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(DataError, match="is a link to"):
        read(str(tmp_path / "*.csv"))
    with pytest.raises(DataError, match="is a link to"):
        read(str(tmp_path))


def test_links_inside_folders_are_not_left_out_in_silence(tmp_path):
    pictures(tmp_path / "images")
    (tmp_path / "images" / "cat" / "new.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"new.png is a link to .*nowhere.png"):
        read(str(tmp_path / "images"), IMAGES)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataError, match="loop is a link to"):
        read(str(tmp_path / "loop"))
