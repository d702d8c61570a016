from __future__ import annotations

import json
import time

import numpy as np
import pytest

from dianji.data.quantiles import quantiles
from dianji.data.report import with_token_lengths
from dianji.errors import DataError
from tests.data.helpers import ROWS, TEXT, read, write_csv

TRAIN = [
    *ROWS,
    ("Where is it?", "card"),
    ("the same", "card"),
    ("the same", "loan"),
    ("twice", "loan"),
    ("twice", "loan"),
]
TEST = [("where  IS it?", "card"), ("new here", "loan")]


@pytest.fixture
def files(tmp_path):
    return write_csv(tmp_path / "a.csv", TRAIN), write_csv(tmp_path / "b.csv", TEST)


def test_what_stands_in_it(files):
    report = read(files[0], split={"test": files[1], "validation": 0.1}).report
    assert json.loads(json.dumps(report)) == report
    assert sum(report["rows"].values()) == len(TRAIN) + len(TEST)
    assert report["columns"] == {"text": "text", "label": "label"}
    assert report["labels"]["test"] == {"card": 1, "loan": 1}
    assert report["characters"]["test"]["max"] == 13
    assert report["languages"][0]["language"] == "en"
    assert report["duplicates"] == {"count": 1 + 1, "rows": ["a.csv, line 30", "b.csv, line 2"]}


def test_conflicts_are_warnings_with_their_rows(files):
    loaded = read(files[0], split={"test": files[1]})
    assert loaded.report["conflicts"]["count"] == 1
    warning = next(warning for warning in loaded.warnings if "different labels" in warning)
    assert warning.startswith("data.toy: 1 input with different labels (2 rows): ")
    assert "a.csv, line 27 (card)" in warning
    assert "a.csv, line 28 (loan)" in warning


def test_leakage_ignores_case_and_space(tmp_path):
    train, validation = write_csv(tmp_path / "a.csv", TRAIN), write_csv(tmp_path / "v.csv", [("fresh", "card")])
    loaded = read(train, split={"test": write_csv(tmp_path / "b.csv", TEST), "validation": validation})
    assert loaded.report["leakage"]["test"] == {"count": 1, "rows": ["b.csv, line 2 = a.csv, line 26"]}
    assert loaded.report["leakage"]["validation"]["count"] == 0
    assert "data.toy: 1 row of test also stands in training: b.csv, line 2 = a.csv, line 26" in loaded.warnings


def test_many_leaks_are_counted(tmp_path):
    rows = [(f"text {number}", "ab"[number % 2]) for number in range(30)]
    loaded = read(
        write_csv(tmp_path / "a.csv", rows),
        split={
            "test": write_csv(tmp_path / "b.csv", rows),
            "validation": write_csv(tmp_path / "c.csv", [("x", "a")]),
        },
    )
    assert any(
        "30 rows of test also stand in training" in warning and "and 20 more" in warning for warning in loaded.warnings
    )


def test_strict_makes_them_errors(files):
    with pytest.raises(DataError) as error:
        read(files[0], split={"test": files[1]}, strict=True)
    assert "different labels" in str(error.value)
    assert "leave out strict" in str(error.value)


def test_empty_rows_do_not_leak_into_each_other(tmp_path):
    train = write_csv(tmp_path / "a.csv", [*ROWS, ("", "card")])
    loaded = read(train, split={"test": write_csv(tmp_path / "b.csv", [("", "loan")])}, strict=True)
    assert loaded.report["empty"]["count"] == 2
    assert loaded.report["conflicts"]["count"] == 0


def test_token_lengths_come_later():
    report = with_token_lengths({"name": "toy"}, {"train": np.array([1, 2, 9]), "test": np.array([], dtype=int)})
    assert report["name"] == "toy"
    assert report["tokens"]["train"]["median"] == 2
    assert report["tokens"]["test"] == {}


def test_quantiles():
    assert quantiles(np.arange(101)) == {"min": 0, "p5": 5, "median": 50, "p95": 95, "p99": 99, "max": 100, "mean": 50}


def test_a_hundred_thousand_rows_take_seconds(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", [(f"a question of usual length with number {n}", f"label{n % 50}") for n in range(100_000)]
    )
    start = time.process_time()
    assert sum(read(path).report["rows"].values()) == 100_000
    assert time.process_time() - start < 15  # about 2 s on an idle core
    assert read(path, TEXT).report["rows"]["test"] == 5000
