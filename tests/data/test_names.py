"""Names of labels become training rows, and nothing but training rows."""

from __future__ import annotations

import pytest

from dianji.data.names import words
from dianji.errors import DataError
from dianji.spec.data import Data
from tests.data.helpers import ROWS, SEVERAL, TEXT, read, texts, write_csv


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("card_arrival", "card arrival"),
        ("card-not-working", "card not working"),
        ("cardArrival", "card Arrival"),
        ("Refund_not_showing_up", "Refund not showing up"),
        ("topping up by cash/cheque", "topping up by cash cheque"),
        ("体育", "体育"),
        ("NASA", "NASA"),
    ],
)
def test_words(label, expected):
    assert words(label) == expected


def test_each_label_gives_one_row_to_training_alone(tmp_path):
    rows = [(text, f"lost_{label}") for text, label in ROWS]
    path = write_csv(tmp_path / "a.csv", rows)
    plain, named = read(path), read(path, names=True)
    assert texts(named.splits["train"]) == [*texts(plain.splits["train"]), "lost card", "lost loan"]
    assert named.splits["train"]["label"].to_pylist()[-2:] == ["lost_card", "lost_loan"]
    assert named.splits["train"].schema == plain.splits["train"].schema
    assert all(named.splits[split].equals(plain.splits[split]) for split in ("validation", "test"))
    assert named.report["names"] == 2
    assert "names" not in plain.report


def test_a_limit_does_not_count_them(tmp_path):
    loaded = read(write_csv(tmp_path / "a.csv"), names=True, limit="3 per label")
    assert loaded.splits["train"].num_rows == 2 * (3 + 1)


@pytest.mark.parametrize("task", [TEXT, SEVERAL])
def test_other_tasks_have_no_such_rows(tmp_path, task):
    rows = [(text, f'["{label}"]') for text, label in ROWS]
    path = write_csv(tmp_path / "a.csv", rows if task is TEXT else ROWS, "text,labels")
    with pytest.raises(DataError, match=r"toy\.names: rows can be made of label names where a row is one text"):
        read(path, task, names=True)


def test_a_label_without_a_word_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(text, "01"[label == "card"]) for text, label in ROWS])
    with pytest.raises(DataError, match="'0'; '1' has no word that could tell"):
        read(path, names=True)


def test_sections_without_names_are_told_as_before():
    assert "names" not in Data(path="a.csv").model_dump()
    assert Data(path="a.csv", names=True).model_dump()["names"] is True
