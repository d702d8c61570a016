from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.loading import load

regression = load("suite.regression")


@pytest.mark.parametrize(("now", "lost"), [(2.0, False), (1.61, False), (1.59, True), (9.0, False)])
def test_more_than_a_fifth_is_lost(now: float, lost: bool):
    (row,) = regression.compare({"full": now}, {"full": 2.0})
    assert row.lost is lost
    assert row.change == pytest.approx(now / 2 - 1)


def test_a_ratio_that_was_never_stored_is_not_judged():
    (row,) = regression.compare({"new": 0.1}, {})
    assert (row.stored, row.change, row.lost) == (None, None, False)


def test_a_stored_ratio_that_nobody_measures_is_lost():
    (row,) = regression.compare({}, {"gone": 2.0})
    assert (row.name, row.lost) == ("gone", True)


def test_storing_leaves_other_kinds_alone(tmp_path: Path):
    path = tmp_path / "expected.json"
    assert regression.read(path, "intel-amx") == {}
    regression.store(path, "intel-amx", "a CPU", {"full": 2.00049})
    regression.store(path, "other", "another", {"full": 1.0})
    regression.store(path, "other", "another", {"full": 1.5})
    assert regression.read(path, "intel-amx") == {"full": 2.0}
    assert regression.read(path, "other") == {"full": 1.5}
    assert regression.read(path, "amd-avx512bf16") == {}
    assert json.loads(path.read_text())["intel-amx"]["processor"] == "a CPU"


def test_what_is_stored_is_of_known_kinds_and_positive():
    path = load("quick").EXPECTED
    known = json.loads(path.read_text(encoding="utf-8"))
    assert set(known) <= {"intel-amx", "amd-avx512bf16", "other"}
    names = set(load("_quick_child").RATIOS)
    for of in known.values():
        assert set(of["ratios"]) == names
        assert all(ratio > 0 for ratio in of["ratios"].values())
