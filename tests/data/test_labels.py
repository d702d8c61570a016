"""Labels keep their meaning: decoded where it is unambiguous, refused or told where it is not."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dianji.data.columns import Column
from dianji.data.columns._lists import parsed
from dianji.data.inspect import inspect
from dianji.data.quality.alike import normal_name, shown, told_alike
from dianji.data.survey import survey
from dianji.errors import DataError
from tests.data.helpers import LABELLED, SEVERAL, TEXT, everything, read, write_csv, write_jsonl


def labels_of(loaded, name="labels"):
    return [row[name] for row in sorted(everything(loaded), key=lambda row: row["text"])]


def several(folder, values, **more):
    records = [{"text": f"text number {n:02d}", "labels": values[n % len(values)]} for n in range(24)]
    loaded = read(write_jsonl(folder / "a.jsonl", records), SEVERAL, **more)
    return labels_of(loaded)[: len(values)], loaded.warnings


def cells(folder, values, column="labels", task=SEVERAL):
    lines = [f'text number {n:02d},"{values[n % len(values)]}"' for n in range(24)]
    (folder / "a.csv").write_text("\n".join([f"text,{column}", *lines]) + "\n", encoding="utf-8")
    loaded = read(str(folder / "a.csv"), task)
    return labels_of(loaded, column)[: len(values)], loaded.warnings


# Several labels per row -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[1, 1, 0], [0, 0, 1]], [["0", "1"], ["2"]]),
        ([[True, False], [False, False]], [["0"], []]),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [["0"], ["1", "2"]]),
    ],
)
def test_multi_hot_lists_are_places_and_said(tmp_path, values, found):
    labels, warnings = several(tmp_path, values)
    assert labels == found
    assert any("read as multi-hot, and the labels are called by their places" in warning for warning in warnings)


@pytest.mark.parametrize("values", [[[0], [1]], [[0, 1], [1]], [[0, 2], [1, 0]], [["0", "1"], ["1", "0"]]])
def test_lists_of_class_numbers_are_not_multi_hot(tmp_path, values):
    labels, warnings = several(tmp_path, values)
    assert labels == [[str(item) for item in row] for row in values]
    assert not any("multi-hot" in warning for warning in warnings)


def test_objects_of_indicators(tmp_path):
    labels, _ = several(tmp_path, [{"toxic": 1, "insult": 0}, {"toxic": 1, "insult": 1}, {"toxic": 0, "insult": 0}])
    assert labels == [["toxic"], ["toxic", "insult"], []]
    with pytest.raises(DataError, match="Objects are read where they hold 0 or 1"):
        several(tmp_path, [{"toxic": 3}, {"toxic": 1}])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["['a', 'b']", "['c']", "[]"], [["a", "b"], ["c"], []]),
        (["('a', 'b')", "{'b'}"], [["a", "b"], ["b"]]),
        (['[""a"", ""b""]', '[""c""]'], [["a", "b"], ["c"]]),
        (["[a, b]", "[b, c]"], [["a", "b"], ["b", "c"]]),
        (["['it\\'s', 'a, b']", "['c']"], [["it's", "a, b"], ["c"]]),
        (["[1, 1, 0]", "[0, 0, 1]"], [["0", "1"], ["2"]]),
        (["a,b", "a", "b,c"], [["a", "b"], ["a"], ["b", "c"]]),
        (["a; b", "b", "a; c"], [["a", "b"], ["b"], ["a", "c"]]),
        (["a|b", "c"], [["a", "b"], ["c"]]),
        (["1 1 0", "0 0 1"], [["0", "1"], ["2"]]),
        (["[1 0 1]", "[0 1 0]"], [["0", "2"], ["1"]]),
        (['{""toxic"": 1, ""insult"": 0}', '{""toxic"": 1, ""insult"": 1}'], [["toxic"], ["toxic", "insult"]]),
        (["1,0", "0,0"], [["0"], []]),
        (["1,5", "2,5"], [["1,5"], ["2,5"]]),
        (["Shipping, delivery", "Refund"], [["Shipping, delivery"], ["Refund"]]),
    ],
)
def test_cells_that_mean_lists(tmp_path, values, found):
    assert cells(tmp_path, values)[0] == found


def test_what_a_comma_means_is_said_either_way(tmp_path):
    assert any("read as labels divided by ','" in warning for warning in cells(tmp_path, ["a,b", "a", "b,c"])[1])
    assert any("read as one label" in warning for warning in cells(tmp_path, ["Shipping, delivery", "Refund"])[1])


@pytest.mark.parametrize("cell", ["['a', 'b'", "[__import__('os')]", "['a' 'b']", "[spam]"])
def test_a_cell_that_begins_like_a_list_and_is_none_is_a_fault(tmp_path, cell):
    with pytest.raises(DataError, match=r"a.csv, line 3: column 'labels' holds .*, which begins like a list"):
        cells(tmp_path, ["['x', 'y']", cell])


@pytest.mark.parametrize("flags", [("0", "1"), ("no", "yes"), ("False", "True"), ("N", "Y")])
def test_columns_of_flags(tmp_path, flags):
    rows = [(f"text number {n}", flags[n % 2], flags[1 - n % 2]) for n in range(24)]
    path = write_csv(tmp_path / "a.csv", rows, "text,spam,ham")
    found = {row["text"]: row["labels"] for row in everything(read(path, SEVERAL, columns={"labels": ["spam", "ham"]}))}
    assert (found["text number 1"], found["text number 2"]) == (["spam"], ["ham"])
    assert inspect(path).parts(str(inspect(path).label)) == ("spam", "ham")


@pytest.mark.parametrize("values", [["a|b", "a", "b"], ["a,b", "a", "c"]])
def test_several_labels_in_a_column_of_one_are_told(tmp_path, values):
    found, warnings = cells(tmp_path, values, "label", LABELLED)
    assert found == values
    assert any("may hold several labels and were read as one" in warning for warning in warnings)
    assert inspect(str(tmp_path / "a.csv")).column("label").kind == "labels"


@pytest.mark.parametrize(
    "text", ["(other)", "[spam]", "{x}", "plain", "", "[" * 1000 + "]" * 1000, "[1, [2]]", "[f(1)]"]
)
def test_what_is_no_list_is_not_parsed(text):
    assert parsed(text) is None


def test_one_hot_columns(tmp_path):
    rows = [(f"text number {n}", str(n % 2), str(int(n % 3 == 0))) for n in range(24)]
    path = write_csv(tmp_path / "a.csv", rows, "text,toxic,insult")
    found = everything(read(path, SEVERAL, columns={"labels": ["toxic", "insult"]}))
    assert {row["text"]: row["labels"] for row in found}["text number 3"] == ["toxic", "insult"]
    assert {row["text"]: row["labels"] for row in found}["text number 2"] == []


def test_one_hot_columns_of_one_label(tmp_path):
    rows = [(f"text number {n}", str(n % 2), str(1 - n % 2)) for n in range(24)]
    path = write_csv(tmp_path / "a.csv", rows, "text,spam,ham")
    assert read(path, columns={"label": ["spam", "ham"]}).report["labels"]["train"].keys() == {"spam", "ham"}
    path = write_csv(
        tmp_path / "b.csv", [*rows, ("both", "1", "1"), ("none", "0", "0"), ("odd", "2", "0")], "text,spam,ham"
    )
    with pytest.raises(DataError) as caught:
        read(path, columns={"label": ["spam", "ham"]})
    told = str(caught.value)
    assert "b.csv, line 26: 'spam', 'ham' hold 1, where one label per row is expected" in told
    assert "b.csv, line 27: the label is missing" in told
    assert "b.csv, line 28: column 'spam' holds '2' where 0 or 1 is expected" in told
    with pytest.raises(
        DataError, match=r"no column 'span', which data.toy.columns names as label. Did you mean 'spam'"
    ):
        read(path, columns={"label": ["span", "ham"]})


def test_several_columns_stand_for_a_vector_and_for_no_text(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [{"a": n, "b": n / 2} for n in range(24)])
    loaded = read(path, {"x": Column("vector")}, columns={"x": ["a", "b"]})
    assert loaded.splits["train"]["x"].type == pa.list_(pa.float32(), 2)
    with pytest.raises(DataError, match="Name one column"):
        read(path, TEXT, columns={"text": ["a", "b"]})


# One label per row ----------------------------------------------------------------------------------------------------


def test_a_list_in_a_column_of_one_label(tmp_path):
    found, warnings = cells(tmp_path, ["['a']", "['b']"], "label", LABELLED)
    assert found == ["a", "b"]
    assert any("read as lists of one label" in warning for warning in warnings)
    with pytest.raises(DataError, match=r"a.csv, line 2: column 'label' holds a list of 2"):
        cells(tmp_path, ["['a', 'b']", "['a']"], "label", LABELLED)


def test_names_in_brackets_are_names(tmp_path):
    assert cells(tmp_path, ["(other)", "[spam]"], "label", LABELLED)[0] == ["(other)", "[spam]"]


def test_whole_numbers_that_are_written_as_fractions(tmp_path):
    values = [1, 2.0]
    records = [{"text": f"text number {n}", "label": values[n % 2]} for n in range(24)]
    loaded = read(write_jsonl(tmp_path / "a.jsonl", records))
    assert set(loaded.report["labels"]["train"]) == {"1", "2"}
    assert any("written as fractions" in warning for warning in loaded.warnings)


def test_a_label_that_cannot_be_seen_is_missing(tmp_path):
    records = [{"text": f"text number {n}", "label": "ab"[n % 2] if n else "\u200b"} for n in range(24)]
    with pytest.raises(DataError, match="line 1: the label is missing"):
        read(write_jsonl(tmp_path / "a.jsonl", records))


@pytest.mark.parametrize(
    "pair",
    [
        ("1", "1.0"),
        ("True", "TRUE"),
        ("pos", "Pos"),
        ("caf\u00e9", "cafe\u0301"),
        ("card", "card\u200b"),
        ("card", "\ufeffcard"),
        ("card", "ｃａｒｄ"),
        ("credit card", "credit  card"),
        ("credit card", "credit\u00a0card"),
        ("Straße", "STRASSE"),
        ("01", "1"),
    ],
)
def test_labels_that_a_person_takes_for_one_are_told(tmp_path, pair):
    records = [{"text": f"text number {n} of them", "label": (*pair, "other")[n % 3]} for n in range(30)]
    path = write_jsonl(tmp_path / "a.jsonl", records)
    for warnings in (read(path).warnings, inspect(path).warnings, survey(path, {"label": "label"}).warnings):
        told = [warning for warning in warnings if "equal but for case" in warning]
        assert len(told) == 1
        assert all(f"{shown(name)} (10 rows)" in told[0] for name in pair)
    assert any("equal but for case" in warning for warning in several(tmp_path, [[name] for name in pair])[1])


@pytest.mark.parametrize("pair", [("1", "2"), ("a", "b"), ("e", "é"), ("C", "C++"), ("1e5", "100"), ("ก", "กา")])
def test_labels_that_differ_are_not(pair):
    assert told_alike(dict.fromkeys(pair, 3)) == []
    assert normal_name(pair[0]) != normal_name(pair[1])


def test_names_for_no_value_are_told():
    (told,) = told_alike({"nan": 3, "card": 5})
    assert "often stand for a missing value: 'nan' (3 rows)" in told


# Class numbers that stand for names -----------------------------------------------------------------------------------


def parquet(path, column, feature, values):
    table = pa.table(
        {"text": [f"text number {n}" for n in range(24)], column: [values[n % len(values)] for n in range(24)]}
    )
    features = {"text": {"dtype": "string", "_type": "Value"}, column: feature}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return str(path)


NAMES = {"names": ["toxic", "insult", "threat"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    "feature",
    [{"feature": NAMES, "_type": "Sequence"}, {"feature": NAMES, "_type": "List"}, [NAMES]],
    ids=["Sequence", "List", "brackets"],
)
def test_lists_of_class_numbers_become_names(tmp_path, feature):
    path = parquet(tmp_path / "a.parquet", "labels", feature, [[0, 2], [1], []])
    assert labels_of(read(path, SEVERAL)).count(["toxic", "threat"]) == 8
    assert labels_of(read(path, SEVERAL)).count([]) == 8


def test_class_numbers_inside_objects_become_names(tmp_path):
    values = [{"words": ["a", "b"], "tags": [0, 2]}, {"words": ["c"], "tags": [1]}]
    feature = {"words": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}}
    feature["tags"] = {"feature": NAMES, "_type": "Sequence"}
    path = parquet(tmp_path / "a.parquet", "row", feature, values)
    task = {"tokens": Column("tokens"), "tags": Column("tags", target=True)}
    loaded = read(path, task, columns={"tokens": "row.words", "tags": "row.tags"})
    assert {tuple(row["tags"]) for row in everything(loaded)} == {("toxic", "threat"), ("insult",)}


def test_a_number_without_a_name_is_refused(tmp_path):
    path = parquet(tmp_path / "a.parquet", "label", NAMES, [0, 7])
    with pytest.raises(DataError, match=r"a.parquet: column 'label' holds the class number 7, .*names 3 classes"):
        read(path)


# fastText -------------------------------------------------------------------------------------------------------------


def test_fasttext_lines(tmp_path):
    lines = [f"__label__{'ab'[n % 2]} text number {n}" for n in range(24)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    loaded = read(str(tmp_path / "a.txt"))
    assert loaded.report["files"][0]["format"] == "fasttext"
    assert {(row["text"], row["label"]) for row in everything(loaded)} >= {
        ("text number 0", "a"),
        ("text number 1", "b"),
    }


def test_fasttext_lines_with_several_labels_on_either_side(tmp_path):
    lines = [f"__label__a __label__b text {n}" if n % 2 else f"text {n} __label__c" for n in range(24)]
    (tmp_path / "train.ft").write_text("\n".join(lines) + "\n")
    found = everything(read(str(tmp_path / "train.ft"), SEVERAL))
    assert {row["text"]: row["labels"] for row in found} | {"text 1": ["a", "b"], "text 0": ["c"]} == {
        row["text"]: row["labels"] for row in found
    }
    with pytest.raises(DataError, match="needs a column 'label'"):
        read(str(tmp_path / "train.ft"))
    (tmp_path / "train.ft").write_text("\n".join([*lines, "nothing here"]) + "\n")
    with pytest.raises(DataError, match=r"line 25: no label. Write __label__NAME"):
        read(str(tmp_path / "train.ft"), SEVERAL)
