"""``load`` and ``rows``: columns, kinds, labels, cleaning, limits, digests, and that all faults come at once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dianji.data.read import digest, load, rows
from dianji.errors import DataError, RecipeError
from tests.data.helpers import (
    IMAGES,
    LABELLED,
    ROWS,
    SEVERAL,
    TEXT,
    everything,
    read,
    spec,
    texts,
    write_csv,
    write_jsonl,
)


def test_tables_have_the_columns_of_the_task_and_their_source(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(text, label, "x") for text, label in ROWS], "body,intent,other")
    loaded = read(path, columns={"text": "body", "label": "intent"})
    assert set(loaded.splits) == {"train", "validation", "test"}
    for table in loaded.splits.values():
        assert table.schema == pa.schema([("text", pa.string()), ("label", pa.string()), ("__source__", pa.string())])
    found = everything(loaded)
    assert len(found) == len(ROWS)
    assert {row["__source__"] for row in found} == {f"a.csv, line {line}" for line in range(2, 26)}


def test_a_task_without_targets_gets_none(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS * 3)
    assert read(path, TEXT).splits["train"].column_names == ["text", "__source__"]
    without = load(spec(path), LABELLED, seed=0, name="x", need_targets=False)
    assert without.splits["test"].column_names == ["text", "__source__"]


def test_default_fractions(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(f"t {n}", "ab"[n % 2]) for n in range(100)])
    assert read(path).report["rows"] == {"train": 70, "validation": 10, "test": 20}
    assert read(path, TEXT).report["rows"] == {"train": 90, "validation": 5, "test": 5}


def test_a_missing_column_suggests_the_line_to_write(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(text, label, "9") for text, label in ROWS], "query,intent,n")
    with pytest.raises(DataError) as error:
        read(path)
    assert "the task needs a column 'text' (text); found: query (text), intent (text), n (text)" in str(error.value)
    assert "Write in data.toy: columns: {text: query, label: intent}" in str(error.value)


def test_a_misspelt_mapping(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"no column 'txet', which data.toy.columns names as text. Did you mean 'text'"):
        read(path, columns={"text": "txet"})


def test_nested_fields_by_a_dotted_name(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"user": {"text": t}, "label": kind} for t, kind in ROWS])
    assert everything(read(path, columns={"text": "user.text"}))[0]["text"].startswith("question")


def test_mixed_columns_hurt_only_who_uses_them(tmp_path):
    records = [{"text": t, "label": kind, "extra": 1 if n % 2 else "one"} for n, (t, kind) in enumerate(ROWS)]
    path = write_jsonl(tmp_path / "a.jsonl", records)
    assert read(path).splits
    with pytest.raises(
        DataError, match=r"'extra' holds text \(a.jsonl, line 1\) and a whole number \(a.jsonl, line 2\)"
    ):
        read(path, columns={"text": "extra"})


@pytest.mark.parametrize(
    ("values", "found"),
    [([1, 2] * 6, {"1", "2"}), ([True, False] * 6, {"true", "false"}), (["a ", "b"] * 6, {"a", "b"})],
)
def test_labels_come_out_as_strings(tmp_path, values, found):
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": f"t{n}", "label": value} for n, value in enumerate(values)])
    assert {row["label"] for row in everything(read(path))} == found


def test_fractions_are_no_labels(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "a", "label": 0.5}, {"text": "b", "label": 1.0}])
    with pytest.raises(DataError, match="holds fractions where a string or a whole number is expected"):
        read(path)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_missing_labels_are_faults_unless_dropped(tmp_path, value):
    records = [{"text": t, "label": kind} for t, kind in ROWS]
    records[3]["label"] = value
    path = write_jsonl(tmp_path / "a.jsonl", records)
    with pytest.raises(DataError, match=r"a.jsonl, line 4: the label is missing \(column 'label'\)"):
        read(path)
    loaded = read(path, clean={"drop_empty": True})
    assert loaded.report["removed"] == {"empty": 1}
    assert len(everything(loaded)) == len(ROWS) - 1


def test_several_labels_from_lists_and_from_text(tmp_path):
    lists = write_jsonl(
        tmp_path / "a.jsonl", [{"text": f"t{n}", "labels": ["x", "y"] if n % 2 else []} for n in range(12)]
    )
    joined = write_csv(tmp_path / "b.csv", [(f"t{n}", "x|y|x" if n % 2 else "y") for n in range(12)], "text,labels")
    for path, other in ((lists, []), (joined, ["y"])):
        found = everything(read(path, SEVERAL))
        assert {tuple(row["labels"]) for row in found} == {("x", "y"), tuple(other)}
        assert read(path, SEVERAL).splits["train"]["labels"].type == pa.list_(pa.string())


def test_whole_numbers_are_no_text(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": 1, "label": "a"}])
    with pytest.raises(DataError, match="column 'text' holds whole numbers where text is expected"):
        read(path)


def test_dictionary_columns(tmp_path):
    table = pa.table({"text": [t for t, _ in ROWS], "label": pa.array([kind for _, kind in ROWS]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    assert {row["label"] for row in everything(read(str(tmp_path / "a.parquet")))} == {"card", "loan"}


# Faults of whole files, and many at once ---------------------------------------------------------------------------


def test_a_missing_file_is_named_with_a_close_one(tmp_path):
    write_csv(tmp_path / "intents.csv")
    with pytest.raises(DataError, match=r"intent.csv does not exist. Did you mean 'intents.csv'"):
        read(str(tmp_path / "intent.csv"))
    with pytest.raises(DataError, match="no folder"):
        read(str(tmp_path / "no" / "intent.csv"))
    with pytest.raises(DataError, match="no file matches"):
        read(str(tmp_path / "*.tsv"))


def test_no_path():
    with pytest.raises(DataError, match=r"data.toy: path is missing"):
        read(None)
    with pytest.raises(DataError, match="empty list"):
        read([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"text,label\n", "no rows"),
        (b"PK\x03\x04xl/workbook", "Excel workbook"),
        (b"text,label\na\0,b\n", "line 2: a NUL character"),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(str(tmp_path / "a.csv"))


def test_all_faults_of_all_files_in_one_error_and_the_rest_counted(tmp_path):
    first = write_csv(tmp_path / "a.csv", [*ROWS, ("only",), ("x", "y", "z")])
    second = write_csv(tmp_path / "b.csv", [("only",)] * 30)
    (tmp_path / "c.csv").write_bytes(b"")
    with pytest.raises(DataError) as error:
        read([first, second, str(tmp_path / "c.csv")])
    lines = str(error.value).splitlines()
    assert lines[0].startswith("a.csv, line 26: 1 cell")
    assert lines[1].startswith("a.csv, line 27: 3 cells")
    assert lines[2].startswith("b.csv, line 2")
    assert len(lines) == 21
    assert lines[-1] == "… and 13 more faults like these"


def test_an_unreadable_file(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    Path(path).chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    with pytest.raises(DataError, match="cannot be read"):
        read(path)


def test_unknown_format_and_option(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    with pytest.raises(RecipeError, match=r"no source 'cvs'. Did you mean 'csv'"):
        read(path, format="cvs")
    with pytest.raises(RecipeError, match="takes no argument 'delimeter'"):
        read(path, format="csv", options={"delimeter": ";"})


# Labels across splits -----------------------------------------------------------------------------------------------


def test_a_label_that_training_lacks(tmp_path):
    train = write_csv(tmp_path / "train.csv")
    test = write_csv(tmp_path / "test.csv", [("a", "card"), ("b", "laon")])
    with pytest.raises(DataError) as error:
        read(train, split={"test": test})
    assert str(error.value) == (
        "test.csv, line 3: label 'laon' is not among the 2 labels of the training split. "
        "Did you mean 'loan'? Fix the row, or list it under data.toy.drop."
    )
    assert read(train, split={"test": test}, drop=["laon"]).report["rows"]["test"] == 1


def test_one_class_only(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(text, "card") for text, _ in ROWS])
    with pytest.raises(DataError, match="the only label is 'card'; at least two are needed"):
        read(path)


def test_a_class_with_one_row(tmp_path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("alone", "rare")])
    with pytest.raises(DataError) as error:
        read(path, split={"stratify": "label"})
    assert "'rare' (a.csv, line 26)" in str(error.value)
    assert "data.toy.drop" in str(error.value)
    loaded = read(path)
    assert "rare" in loaded.splits["train"]["label"].to_pylist()
    assert loaded.warnings == (
        "data.toy: 1 label with one row, which trains and is not tested: 'rare' (a.csv, line 26)",
    )
    assert read(path, split={"stratify": "label"}, drop=["rare"]).report["removed"] == {"dropped label": 1}


def test_a_misspelt_label_to_drop(tmp_path):
    with pytest.raises(DataError, match=r"data.toy.drop: no row has the label 'crad'. Did you mean 'card'"):
        read(write_csv(tmp_path / "a.csv"), drop=["crad"])


# Splits -------------------------------------------------------------------------------------------------------------


def test_every_row_is_in_exactly_one_split_and_the_seed_decides(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS * 4)
    first, again, other = read(path, seed=1), read(path, seed=1), read(path, seed=2)
    assert len({row["__source__"] for row in everything(first)}) == len(ROWS) * 4
    assert {name: table.to_pylist() for name, table in first.splits.items()} == {
        name: table.to_pylist() for name, table in again.splits.items()
    }
    assert first.splits["test"].to_pylist() != other.splits["test"].to_pylist()


def test_sorting_the_file_otherwise_changes_no_split(tmp_path):
    first = read(write_csv(tmp_path / "a.csv", ROWS))
    second = read(write_csv(tmp_path / "b.csv", ROWS[::-1]))
    assert sorted(texts(first.splits["test"])) == sorted(texts(second.splits["test"]))
    assert first.digest != second.digest


def test_given_files_stay_and_fractions_are_of_the_rest(tmp_path):
    train = write_csv(tmp_path / "train.csv", ROWS)
    test = write_csv(tmp_path / "b.csv", [("other", "card")])
    loaded = read(train, split={"test": test, "validation": 0.25})
    assert texts(loaded.splits["test"]) == ["other"]
    assert loaded.report["rows"] == {"train": 18, "validation": 6, "test": 1}


def test_a_folder_with_split_names(tmp_path):
    for name, start in (("train", 0), ("dev", 100), ("test", 200)):
        write_csv(tmp_path / f"{name}.csv", [(f"t{start + n}", "ab"[n % 2]) for n in range(6)])
    (tmp_path / "README.md").write_text("about")
    loaded = read(str(tmp_path), split={"test": 0.5})
    assert loaded.report["rows"] == {"train": 6, "validation": 6, "test": 6}
    assert texts(loaded.splits["validation"])[0] == "t100"
    assert "split.test: 0.5 has no effect" in loaded.warnings[0]


def test_a_folder_with_a_file_of_no_split(tmp_path):
    for name in ("train", "test", "more"):
        write_csv(tmp_path / f"{name}.csv")
    with pytest.raises(DataError, match=r"more.csv is not"):
        read(str(tmp_path))


def test_files_of_a_list_are_one_table_whatever_their_format(tmp_path):
    first = write_csv(tmp_path / "a.csv", ROWS, "body,label")
    second = write_jsonl(
        tmp_path / "b.jsonl", [{"label": 1, "body": "from json", "more": 3}, {"label": 1, "body": "again"}]
    )
    loaded = read([first, second], columns={"text": "body"})
    assert {"from json", "again"} <= {row["text"] for row in everything(loaded)}
    assert loaded.report["files"][1] == {"name": "b.jsonl", "format": "jsonl", "encoding": "utf-8", "rows": 2}
    assert len(everything(read(str(tmp_path / "*.csv"), columns={"text": "body"}))) == len(ROWS)


def test_a_glob_does_not_divide_but_says_so(tmp_path):
    for name in ("train", "test"):
        write_csv(tmp_path / f"{name}.csv", [(f"{name} {t}", kind) for t, kind in ROWS])
    loaded = read(str(tmp_path / "*.csv"))
    assert len(everything(loaded)) == 2 * len(ROWS)
    assert any("test.csv" in warning and "split" in warning for warning in loaded.warnings)


def test_groups_stay_whole(tmp_path):
    records = [(f"t{n}", "ab"[n % 2], f"c{n % 17}") for n in range(102)]
    path = write_csv(tmp_path / "a.csv", records, "text,label,customer")
    of = {text: customer for text, _, customer in records}
    for more in ({}, {"stratify": "label"}):
        loaded = read(path, split={"group": "customer", **more})
        customers = [{of[text] for text in texts(table)} for table in loaded.splits.values()]
        assert sum(map(len, customers)) == 17


def test_a_given_file_may_not_break_the_groups(tmp_path):
    train = write_csv(tmp_path / "a.csv", [(f"t{n}", "ab"[n % 2], f"c{n}") for n in range(12)], "text,label,customer")
    test = write_csv(tmp_path / "b.csv", [("x", "a", "c3"), ("y", "b", "c99")], "text,label,customer")
    with pytest.raises(DataError, match=r"'c3' \(b.csv, line 2, test\)"):
        read(train, split={"group": "customer", "test": test})
    plain = write_csv(tmp_path / "c.csv", [("x", "a"), ("y", "b")])
    assert read(train, split={"group": "customer", "test": plain}).report["rows"]["test"] == 2


@pytest.mark.parametrize("form", ["2026-01-{:02d}", "2026-01-01T00:00:{:02d}+02:00", "{}", "1.{:03d}e3"])
def test_time_order(tmp_path, form):
    path = write_csv(
        tmp_path / "a.csv", [(f"t{n}", "ab"[n % 2], form.format(n + 1)) for n in range(20)][::-1], "text,label,when"
    )
    loaded = read(path, split={"time": "when"})
    assert set(texts(loaded.splits["test"])) == {"t16", "t17", "t18", "t19"}
    assert set(texts(loaded.splits["validation"])) == {"t14", "t15"}


def test_time_that_cannot_be_read(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("a", "x", "2026-01-01"), ("b", "y", "yesterday")], "text,label,when")
    with pytest.raises(DataError, match=r"a.csv, line 3 \('yesterday'\)"):
        read(path, split={"time": "when"})
    with pytest.raises(DataError, match=r"data.toy.split.time: a.csv has no column 'wen'. Did you mean 'when'"):
        read(path, split={"time": "wen"})


# Cleaning and limits ------------------------------------------------------------------------------------------------


def test_nothing_is_left_out_silently(tmp_path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("", "card"), ("  ", "loan")])
    loaded = read(path)
    assert len(everything(loaded)) == len(ROWS) + 2
    assert loaded.report["empty"] == {"count": 2, "rows": ["a.csv, line 26", "a.csv, line 27"]}
    assert "2 rows without content: a.csv, line 26; a.csv, line 27" in loaded.warnings[0]


def test_cleaning_is_counted(tmp_path):
    rows_ = [
        *ROWS,
        ("", "card"),
        ("hi", "card"),
        ("x" * 99, "loan"),
        ROWS[0],
        (ROWS[1][0].upper(), ROWS[1][1]),
        (ROWS[2][0], "other"),
        ("two other", "other"),
    ]
    path = write_csv(tmp_path / "a.csv", rows_)
    loaded = read(path, clean={"drop_duplicates": True, "drop_empty": True, "min_length": 5, "max_length": 60})
    assert loaded.report["removed"] == {"empty": 1, "too short": 1, "too long": 1, "duplicate": 2}
    assert len(everything(loaded)) == len(rows_) - 5


def test_of_duplicates_the_given_test_row_stays(tmp_path):
    train = write_csv(tmp_path / "a.csv", ROWS)
    test = write_csv(tmp_path / "b.csv", [ROWS[0]])
    loaded = read(train, split={"test": test}, clean={"drop_duplicates": True})
    assert texts(loaded.splits["test"]) == [ROWS[0][0]]
    assert loaded.report["leakage"]["test"]["count"] == 0


def test_no_row_left(tmp_path):
    with pytest.raises(DataError, match=r"data.toy: no row is left"):
        read(write_csv(tmp_path / "a.csv"), clean={"min_length": 1000})


def test_limits_keep_every_label_and_touch_only_training(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(f"t{n}", "a" if n % 10 else "b") for n in range(200)])
    whole = read(path)
    loaded = read(path, limit=20)
    assert loaded.report["rows"] == {**whole.report["rows"], "train": 20}
    assert loaded.report["labels"]["train"] == {"a": 18, "b": 2}
    assert texts(loaded.splits["test"]) == texts(whole.splits["test"])
    assert read(path, limit="3 per label").report["labels"]["train"] == {"a": 3, "b": 3}
    assert read(path, TEXT, limit=7).report["rows"]["train"] == 7
    assert "asked for" in read(path, limit=1000).warnings[0]
    assert read(path, limit=20, seed=3).splits["train"].to_pylist() != loaded.splits["train"].to_pylist()


def test_a_limit_below_the_number_of_labels(tmp_path):
    with pytest.raises(DataError, match=r"data.toy.limit: 1 rows cannot hold all 2 labels"):
        read(write_csv(tmp_path / "a.csv"), limit=1)


def test_a_limit_per_label_needs_labels(tmp_path):
    with pytest.raises(DataError, match="needs a task with one label per row"):
        read(write_csv(tmp_path / "a.csv"), TEXT, limit="2 per label")


# Digests ------------------------------------------------------------------------------------------------------------


def test_the_digest_is_over_bytes_and_not_over_paths(tmp_path):
    (tmp_path / "b").mkdir()
    first, second = write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b" / "other.csv")
    assert read(first).digest == digest(spec(first)) == digest(spec(second)) == read(second, limit=10).digest
    before = digest(spec(first))
    write_csv(tmp_path / "a.csv", ROWS[:-1])
    assert digest(spec(first)) != before
    assert digest(spec(first, split={"test": second})) != digest(spec([first, second]))


def test_the_digest_follows_images_that_a_table_names(tmp_path):
    from PIL import Image

    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    path = write_csv(tmp_path / "a.csv", [(("a.png", "b.png")[n % 2], "xy"[n % 2]) for n in range(12)], "image,label")
    loaded = read(path, IMAGES)
    assert loaded.splits["train"]["image"][0].as_py().startswith(b"\x89PNG")
    assert digest(spec(path), IMAGES) == loaded.digest
    Image.new("RGB", (4, 4), "green").save(tmp_path / "a.png")
    assert digest(spec(path), IMAGES) != loaded.digest


# Rows to predict ----------------------------------------------------------------------------------------------------


def test_rows_of_a_file_with_the_recipes_columns_or_the_tasks(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS, "query,label")
    data = spec("unused.csv", columns={"text": "query"})
    assert rows(path, LABELLED, spec=data).column_names == ["text", "__source__"]
    assert rows(path, LABELLED, spec=data, need_targets=True)["label"][0].as_py() == "card"
    (tmp_path / "b.txt").write_text("where is it\nand when\n")
    assert rows(str(tmp_path / "b.txt"), LABELLED, spec=data).to_pylist() == [
        {"text": "where is it", "__source__": "b.txt, line 1"},
        {"text": "and when", "__source__": "b.txt, line 2"},
    ]


@pytest.mark.parametrize("content", ["one\ntwo\n", '{"text": "one"}\n{"text": "two", "x": 1}\n'])
def test_standard_input(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    table = rows("-", LABELLED)
    assert texts(table) == ["one", "two"]
    assert table["__source__"][1].as_py() == "standard input, line 2"


def test_evaluation_without_labels_is_an_error(tmp_path):
    (tmp_path / "b.txt").write_text("where is it\nand when\n")
    with pytest.raises(DataError, match="needs a column 'label'"):
        rows(str(tmp_path / "b.txt"), LABELLED, need_targets=True)


def test_reading_needs_neither_torch_nor_pandas():
    heavy = "{'torch', 'transformers', 'pandas', 'PIL', 'datasets', 'sqlalchemy'}"
    code = f"import sys, dianji.data.read, dianji.data.inspect as _; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
