from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.benchmarks.loading import load

growth = load("suite.growth")


def points(*took: tuple[int, float, float]) -> list[object]:
    return [growth.Point(*one) for one in took]


def test_what_a_process_needs_to_start_drops_out():
    assert growth.per_row(points((10, 5.1, 1), (110, 6.1, 1))) == pytest.approx([0.01])


def test_linear_and_flat():
    steady = growth.verdicts(points((1000, 5.0, 400), (10_000, 6.0, 410), (100_000, 16.0, 420)))
    assert [one.ok for one in steady] == [True, True]


def test_quadratic_time_and_growing_memory_are_seen():
    bad = growth.verdicts(points((1000, 5.0, 400), (10_000, 6.0, 450), (100_000, 106.0, 900)))
    assert [one.ok for one in bad] == [False, False]
    assert bad[1].factor == 2.0


def test_a_cost_that_the_start_hides_is_taken_as_the_least_that_can_be_told():
    steady = growth.verdicts(points((1000, 9.0, 400), (10_000, 9.0, 410), (100_000, 27.0, 420)))
    assert steady[0].factor == pytest.approx(1.0)
    steep = growth.verdicts(points((1000, 9.0, 400), (10_000, 9.2, 410), (100_000, 49.2, 420)))
    assert not steep[0].ok


def test_two_sizes_say_nothing():
    assert growth.verdicts(points((1000, 5.0, 400), (10_000, 6.0, 410))) == []


def test_measurements_are_sorted():
    found = [{"rows": 20, "seconds": 2, "peak_mb": 1}, {"rows": 10, "seconds": 1, "peak_mb": 1}]
    assert [point.rows for point in growth.points_of(found)] == [10, 20]


@pytest.mark.real
def test_rows_are_unique_and_held_out_ones_in_no_other_file(tmp_path: Path, data_root: Path):
    load("growth").write_rows(tmp_path, [50, 15_000])
    texts = {}
    for name in ("held", "50", "15000"):
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            texts[name] = [row["text"] for row in csv.DictReader(file)]
    assert [len(of) for of in texts.values()] == [100, 50, 15_000]
    assert len(set(texts["15000"])) == 15_000
    assert not set(texts["held"]) & set(texts["15000"])
