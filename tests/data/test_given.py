"""Rows that a caller gives as Python values."""

from __future__ import annotations

import pytest

from dianji.data.columns import Column
from dianji.data.given import table_of
from dianji.errors import DataError

TEXT = {"text": Column("text"), "label": Column("label", target=True)}
PAIR = {"question": Column("text"), "context": Column("text"), "title": Column("text", optional=True)}


def test_values_of_one_column_and_mappings_of_several():
    assert table_of(["a", "b"], TEXT).to_pylist() == [{"text": "a"}, {"text": "b"}]
    assert table_of([{"text": "a"}], TEXT).to_pylist() == [{"text": "a"}]
    assert table_of([{"question": "a", "context": "b"}], PAIR).to_pylist() == [{"question": "a", "context": "b"}]
    titled = table_of([{"question": "a", "context": "b", "title": "c"}, {"question": "d", "context": "e"}], PAIR)
    assert titled["title"].to_pylist() == ["c", ""]
    assert table_of([["New", "York"]], {"tokens": Column("tokens")}).to_pylist() == [{"tokens": ["New", "York"]}]


def test_a_value_belongs_to_the_first_column_that_takes_it():
    either = {"tokens": Column("tokens", optional=True), "text": Column("text", optional=True)}
    assert table_of([["New", "York"]], either).to_pylist() == [{"tokens": ["New", "York"]}]
    assert table_of(["New York"], either).to_pylist() == [{"text": "New York"}]
    with pytest.raises(DataError, match="row 1"):
        table_of([3], either)


@pytest.mark.parametrize(
    ("given", "columns", "told"),
    [
        (["a", 3], TEXT, "row 2: .*whole numbers where text is expected"),
        (["a", b"b"], TEXT, "row 2"),
        ([{"text": "a"}, {"txt": "b"}], TEXT, r"row 2: the task reads no column 'txt'. Did you mean 'text'"),
        ([{"label": "a"}], TEXT, "row 1: the task reads no column 'label'"),
        (["a"], PAIR, "row 1: expected a mapping of the task's columns, found str"),
        ([{"question": "a"}], PAIR, "row 1: the column 'context' is missing"),
        (["fine", "bad \udcff byte"], TEXT, "row 2: byte 0xff at character 5 of the text is not UTF-8"),
        (["\ud800"], TEXT, "row 1: half a character .*lone surrogate"),
        ([{"tokens": ["a", "\udfff"]}], {"tokens": Column("tokens")}, "row 1: half a character"),
        ([{"tokens": ["a", None]}], {"tokens": Column("tokens")}, "row 1: .*expected a word"),
    ],
)
def test_what_is_wrong_names_its_row(given, columns, told):
    with pytest.raises(DataError, match=told):
        table_of(given, columns)
