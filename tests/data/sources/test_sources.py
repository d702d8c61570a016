"""Sources that are more than one text file; and that every source keeps the contract."""

from __future__ import annotations

import dataclasses
import io
import sqlite3
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dianji.data.line import Request
from dianji.data.locate import locate
from dianji.data.read import digest
from dianji.data.recognise import recognise
from dianji.errors import CapabilityError, DataError
from dianji.registry import REGISTRY, from_record, record_of
from tests.data.helpers import IMAGES, ROWS, TEXT, everything, read, spec, write_csv, write_jsonl

TABLE = pa.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]})


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (4, 3), value).save(stream, "PNG")
    return stream.getvalue()


def test_every_source_is_a_frozen_dataclass_with_what_the_contract_asks():
    names = REGISTRY.names("source")
    built_in = "arrow csv hub images json jsonl labelled-text parquet sql text tsv"
    assert set(built_in.split()) <= set(names)
    for cls in names.values():
        source = cls()
        assert from_record("source", record_of(source)) == source
        assert source.reads in ("file", "folder", "service")
        assert all(suffix.startswith(".") for suffix in source.suffixes)
        with pytest.raises(dataclasses.FrozenInstanceError):
            source.suffixes = ()


# Parquet --------------------------------------------------------------------------------------------------------------


def test_parquet(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=5)
    found = everything(read(str(tmp_path / "a.parquet")))
    assert len(found) == len(ROWS)
    assert found[0]["__source__"] == "a.parquet, row 1"


def test_parquet_by_its_bytes_whatever_its_name(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.csv")
    assert read(str(tmp_path / "a.csv")).report["files"][0]["format"] == "parquet"
    with pytest.raises(DataError, match=r"a.csv is a Parquet file, not text"):
        read(str(tmp_path / "a.csv"), format="csv")


def test_images_inside_parquet(tmp_path):
    (tmp_path / "far.png").write_bytes(png(9))
    images = [{"bytes": png(n), "path": None} for n in range(11)] + [{"bytes": None, "path": "far.png"}]
    pq.write_table(pa.table({"image": images, "label": list("ab" * 6)}), tmp_path / "a.parquet")
    loaded = read(str(tmp_path / "a.parquet"), IMAGES)
    assert {row["image"] for row in everything(loaded)} == {png(n) for n in range(11)}
    assert loaded.splits["train"]["image"].type == pa.binary()
    assert loaded.report["images"]["image"] == {
        "sizes": {"4x3": 12},
        "distinct_sizes": 1,
        "modes": {"L": 12},
        "formats": {"PNG": 12},
    }
    assert loaded.report["duplicates"]["count"] == 1  # far.png is like the tenth image


def test_class_numbers_of_the_hub_become_names(tmp_path):
    metadata = b'{"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}'
    table = pa.table({"text": [f"t{n}" for n in range(12)], "label": [0, 1] * 6}).replace_schema_metadata(
        {"huggingface": metadata}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert {row["label"] for row in everything(read(str(tmp_path / "a.parquet")))} == {"no", "yes"}


@pytest.mark.parametrize("content", [b"PAR1 and then nothing", b""])
def test_damaged_parquet(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"not a whole Parquet file|is empty"):
        read(str(tmp_path / "a.parquet"))


def test_parquet_without_rows(tmp_path):
    pq.write_table(TABLE.slice(0, 0), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"columns \(text, label\) and no rows"):
        read(str(tmp_path / "a.parquet"))


# Folders of images ----------------------------------------------------------------------------------------------------


def test_class_folders(tmp_path):
    for n in range(12):
        folder = tmp_path / "cat" if n % 2 else tmp_path / "test"  # a class may be called test
        folder.mkdir(exist_ok=True)
        (folder / f"{n}.PNG").write_bytes(png(n))
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    loaded = read(str(tmp_path), IMAGES)
    assert {(row["label"], row["__source__"]) for row in everything(loaded)} >= {
        ("cat", "cat/1.PNG"),
        ("test", "test/0.PNG"),
    }
    assert sum(loaded.report["rows"].values()) == 12
    assert "1 files are no images and were left out (cat/notes.txt)" in loaded.warnings[0]
    before = digest(spec(str(tmp_path)))
    assert before == loaded.digest
    (tmp_path / "cat").rename(tmp_path / "dog")
    assert digest(spec(str(tmp_path))) != before  # folders are labels


def test_a_folder_with_splits_above_the_classes(tmp_path):
    for split, count in (("train", 8), ("test", 4), ("validation", 2)):
        for n in range(count):
            folder = tmp_path / split / "ab"[n % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{n}.png").write_bytes(png(n))
    loaded = read(str(tmp_path), IMAGES)
    assert loaded.report["rows"] == {"train": 8, "validation": 2, "test": 4}
    assert loaded.report["leakage"]["test"]["count"] == 4


def test_files_that_are_no_images_are_all_named(tmp_path):
    for n in range(12):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        (tmp_path / "ab"[n % 2] / f"{n}.png").write_bytes(png(n) if n > 1 else b"not an image")
    with pytest.raises(DataError) as error:
        read(str(tmp_path), IMAGES)
    assert sorted(line.split(":")[0] for line in str(error.value).splitlines()) == ["a/0.png", "b/1.png"]


def test_unlabelled_images_and_a_single_one(tmp_path):
    from dianji.data.read import rows

    (tmp_path / "a.png").write_bytes(png(1))
    assert rows(str(tmp_path), IMAGES).num_rows == 1
    assert rows(str(tmp_path / "a.png"), IMAGES).to_pylist() == [{"image": png(1), "__source__": "a.png"}]
    with pytest.raises(DataError, match="label is missing"):
        rows(str(tmp_path), IMAGES, need_targets=True)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(DataError, match="holds no image"):
        read(str(tmp_path), IMAGES, format="images")


def test_image_paths_that_lead_nowhere(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("gone.png", "a"), ("", "b")], "image,label")
    with pytest.raises(DataError) as error:
        read(path, IMAGES)
    assert "a.csv, line 2: the image gone.png cannot be read" in str(error.value)
    assert "a.csv, line 3: the image is missing" in str(error.value)


# Arrow and the Hub ----------------------------------------------------------------------------------------------------


def columns_of(rows):
    return {"text": [text for text, _ in rows], "label": [label for _, label in rows]}


def saved(folder, splits):
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["card", "loan"])}
    )
    parts = {name: datasets.Dataset.from_dict(columns_of(rows), features) for name, rows in splits.items()}
    data = datasets.DatasetDict(parts) if len(parts) > 1 else next(iter(parts.values()))
    data.save_to_disk(str(folder))
    return str(folder)


def test_a_saved_data_set(tmp_path):
    path = saved(tmp_path / "one", {"train": ROWS})
    loaded = read(path)
    assert loaded.report["labels"]["test"].keys() == {"card", "loan"}
    assert len(everything(loaded)) == len(ROWS)
    assert digest(spec(path)) == loaded.digest


def test_a_saved_dict_of_splits(tmp_path):
    path = saved(tmp_path / "many", {"train": ROWS, "validation": ROWS[:2], "test": ROWS[:4]})
    loaded = read(path)
    assert loaded.report["rows"] == {"train": len(ROWS), "validation": 2, "test": 4}
    assert loaded.splits["test"]["__source__"][0].as_py() == "test, row 1"


def test_a_single_arrow_file(tmp_path):
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
    assert len(everything(read(str(tmp_path / "a.arrow")))) == len(ROWS)


def test_a_damaged_arrow_file(tmp_path):
    (tmp_path / "a.arrow").write_bytes(b"ARROW1 and nothing else")
    with pytest.raises(DataError, match="not a whole Arrow file"):
        read(str(tmp_path / "a.arrow"))


def test_a_folder_of_the_hubs_layout(tmp_path):
    (tmp_path / "data").mkdir()
    for name, rows in (("train", ROWS), ("test", ROWS[:3])):
        table = pa.table(columns_of(rows))
        pq.write_table(table, tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert read(str(tmp_path), format="hub").report["rows"]["test"] == 3


def test_a_hub_id_goes_through_datasets(monkeypatch):
    import datasets

    parts = {
        name: datasets.Dataset.from_dict(columns_of(rows))
        for name, rows in (("train", ROWS), ("dev", ROWS[:2]), ("unsupervised", ROWS[:1]))
    }
    asked = []

    def load_dataset(path, config, **more):
        asked.append((path, config, more))
        return datasets.DatasetDict(parts)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = read("bank/intents", format="hub", options={"config": "en"}, split={"test": 0.25})
    assert asked == [("bank/intents", "en", {"revision": None})]
    assert loaded.report["rows"] == {"train": 18, "validation": 2, "test": 6}
    assert "split 'unsupervised' (1 row)" in loaded.warnings[0]
    assert digest(spec("bank/intents", format="hub", options={"config": "en"})) == loaded.digest


def test_a_hub_id_that_cannot_be_loaded(monkeypatch):
    import datasets

    def load_dataset(*_, **__):
        raise FileNotFoundError("Couldn't find it")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match="bank/none: the Hub data set cannot be loaded"):
        read("bank/none", format="hub")


@pytest.mark.parametrize(
    ("package", "extra", "path", "data"),
    [
        ("datasets", "hub", "bank/intents", {"format": "hub"}),
        ("sqlalchemy", "sql", None, {"format": "sql", "options": {"url": "sqlite://", "query": "SELECT 1"}}),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, package, extra, path, data: dict[str, Any]):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CapabilityError, match=rf'pip install "dianji\[{extra}\]"'):
        read(path, **data)


# SQL ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    connection = sqlite3.connect(tmp_path / "bank.db")
    with connection:
        connection.execute("CREATE TABLE tickets (body TEXT, intent TEXT)")
        connection.executemany("INSERT INTO tickets VALUES (?, ?)", ROWS)
    connection.close()
    return tmp_path / "bank.db"


def test_sql(base):
    options = {"url": f"sqlite:///{base}", "query": "SELECT body, intent AS label FROM tickets ORDER BY body"}
    data: dict[str, Any] = {"format": "sql", "options": options, "columns": {"text": "body"}}
    loaded = read(None, **data)
    assert len(everything(loaded)) == len(ROWS)
    assert loaded.splits["train"]["__source__"][0].as_py().startswith("query, row ")
    assert digest(spec(None, **data)) == loaded.digest
    more = sqlite3.connect(base)
    with more:
        more.execute("INSERT INTO tickets VALUES ('new', 'card')")
    more.close()
    assert digest(spec(None, **data)) != loaded.digest


def test_a_url_may_come_from_the_environment(base, monkeypatch):
    monkeypatch.setenv("BANK_DB", str(base))
    options = {"url": "sqlite:///${BANK_DB}", "query": "SELECT body AS text FROM tickets"}
    assert read(None, TEXT, format="sql", options=options).report["rows"]["train"] == 22
    monkeypatch.delenv("BANK_DB")
    with pytest.raises(DataError, match="environment variable BANK_DB, which is not set"):
        read(None, TEXT, format="sql", options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs options"),
        ({"url": "sqlite://", "query": "SELECT x FROM nowhere"}, "no such table: nowhere"),
        ({"url": "nonsense", "query": "SELECT 1"}, "query failed"),
        ({"url": "sqlite://", "query": "SELECT 1 AS text WHERE 0"}, "no rows"),
    ],
)
def test_what_may_go_wrong_with_sql(options, message):
    with pytest.raises(DataError, match=message):
        read(None, TEXT, format="sql", options=options)


# What auto goes by ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("a.csv", "text,label\na,b\n", "csv"),
        ("a.tsv", "text\tlabel\na\tb\n", "tsv"),
        ("a.tsv", "a b c\tx\nd e f\tx\ng h i\ty\nj k l\ty\n", "labelled-text"),
        ("a.txt", "a b c\tx\nd e f\tx\ng h i\ty\nj k l\ty\n", "labelled-text"),
        ("noname", "Label\tSMS\nham\thi you\nham\tand so\nspam\twin\nspam\tnow\n", "tsv"),
        ("a.txt", '{"text": "a"}\n{"text": "b"}\n', "jsonl"),
        ("a.txt", "plain\nprose\n", "text"),
        ("a.ndjson", '{"text": "a"}\n', "jsonl"),
        ("a.json", '[{"text": "a"}]\n', "json"),
    ],
)
def test_auto(tmp_path, name, content, format_):
    (tmp_path / name).write_text(content)
    flow = recognise(locate(Request(spec(str(tmp_path / name)))))
    assert [reading.format for reading in flow.readings] == [format_]


@pytest.mark.parametrize(("content", "message"), [(b"SQLite format 3\0", "format: sql"), (b"%PDF-1.7", "PDF document")])
def test_auto_refuses_what_nobody_reads(tmp_path, content, message):
    (tmp_path / "data.bin").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(str(tmp_path / "data.bin"))


def test_a_mixed_folder(tmp_path):
    write_csv(tmp_path / "a.csv")
    write_jsonl(tmp_path / "b.jsonl", [{"text": "json", "label": "card"}])
    assert len(everything(read(str(tmp_path)))) == len(ROWS) + 1


def test_sixteen_bit_sources_keep_their_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    stream = io.BytesIO()
    Image.fromarray(np.full((2, 2), 700, dtype=np.uint16)).save(stream, "PNG")
    for n in range(12):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        (tmp_path / "ab"[n % 2] / f"{n}.png").write_bytes(stream.getvalue())
    assert read(str(tmp_path), IMAGES).report["images"]["image"]["modes"] == {"I;16": 12}
