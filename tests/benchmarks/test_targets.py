from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.loading import load

targets = load("suite.targets")

AMX = {"amx": True, "limit": 1e12}
WITHOUT = {"amx": False, "limit": 1e12}


def measured(rate: float, **more: Any) -> dict[str, Any]:
    return {"rate": rate, "seconds": 10.0, "flops": 5e12, "loss": 1.0, **more}


def target(title: str) -> Any:
    (found,) = (one for one in targets.TARGETS if one.title == title)
    return found


def test_every_work_has_ours_first_and_each_peer_once():
    for work in targets.WORKS:
        sides = targets.sides(work)
        assert sides[0] == "dianji"
        assert len(set(sides)) == len(sides)
    assert targets.sides("full")[1:] == (
        "trainer padded",
        "trainer defaults",
        "trainer best",
        "trainer best, 1 loader",
    )


def test_a_ratio_is_of_medians_and_owed_by_the_kind_of_cpu():
    found = {"dianji": [measured(200), measured(210), measured(400)], "trainer best": [measured(100)] * 3}
    best = target("full, Trainer's best")
    without = targets.judge(best, found, **WITHOUT)
    assert without.ratio == pytest.approx(2.1)
    assert without.ratios == pytest.approx((2.0, 2.1, 4.0))
    assert (without.owed, without.ok) == (1.6, True)
    with_amx = targets.judge(best, found, **AMX)
    assert (with_amx.owed, with_amx.ok) == (2.5, False)


def test_the_fastest_variant_of_a_peer_counts():
    found = {
        "dianji": [measured(300)],
        "trainer best": [measured(100)],
        "trainer best, 1 loader": [measured(150)],
    }
    judged = targets.judge(target("full, Trainer's best"), found, **WITHOUT)
    assert judged.peer == "trainer best, 1 loader"
    assert judged.ratio == 2.0


def test_seconds_are_told_as_times_as_fast():
    found = {"dianji": [{"seconds": 10.0}], "trainer best": [{"seconds": 250.0}]}
    judged = targets.judge(target("frozen, to convergence"), found, **WITHOUT)
    assert judged.ratio == 25.0
    assert judged.ok
    assert not targets.judge(target("frozen, to convergence"), found, **AMX).ok


@pytest.mark.parametrize(("peak", "ok"), [(790.0, True), (810.0, False)])
def test_memory_must_not_exceed_its_share(peak: float, ok: bool):
    found = {"dianji": [measured(1, peak_mb=peak)], "trainer best": [measured(1, peak_mb=1000.0)]}
    assert targets.judge(target("full, peak memory"), found, **AMX).ok is ok


@pytest.mark.parametrize(("seconds", "ok"), [(1.9, True), (2.1, False)])
def test_a_run_with_nothing_to_do_is_judged_by_itself(seconds: float, ok: bool):
    judged = targets.judge(target("dianji run, nothing to do"), {"dianji": [{"seconds": seconds}]}, **WITHOUT)
    assert (judged.ratio, judged.ok, judged.peer) == (seconds, ok, "")
    assert judged.ours_utilisation is None


def test_utilisation_is_owed_without_amx_alone():
    found = {"dianji": [measured(1, flops=6e12)]}  # in 10 s, of 1 TFLOP/s
    row = target("full, utilisation")
    assert targets.judge(row, found, **WITHOUT).ratio == pytest.approx(0.6)
    assert targets.judge(row, found, **WITHOUT).ok
    assert targets.judge(row, found, **AMX).ok is None


def test_no_speed_is_enough_where_quality_is_not_equal():
    found = {"dianji": [measured(1000)], "trainer best": [measured(1)]}
    assert not targets.judge(target("LoRA of rank 8"), found, **AMX, equal=False).ok


def test_a_row_without_its_sides_is_left_out():
    assert targets.judge(target("LoRA of rank 8"), {"dianji": [measured(1)]}, **AMX) is None
    assert targets.judge(target("LoRA of rank 8"), {"trainer best": [measured(1)]}, **AMX) is None


def test_quality_compares_the_loss_of_the_best_settings():
    worse = {"dianji": [measured(1, loss=1.2)], "trainer best": [measured(1)], "trainer padded": [measured(1, loss=9)]}
    checked = targets.check("full", worse)
    assert (checked.ours, checked.theirs, checked.ok) == (1.2, 1.0, False)
    better = {"dianji": [measured(1, loss=0.5)], "trainer best": [measured(1)]}
    assert targets.check("full", better).ok


def test_quality_to_the_end_goes_by_accuracy_and_by_ended_trainings_alone():
    found = {
        "dianji": [measured(1, accuracy=0.930, complete=True)],
        "trainer best": [
            measured(1, accuracy=0.929, complete=True),
            measured(1, accuracy=0.1, complete=False),
        ],
    }
    checked = targets.check("frozen", found)
    assert checked.how == "accuracy, to the end"
    assert (checked.theirs, checked.ok) == (0.929, True)
    found["trainer best"][0]["accuracy"] = 0.931
    assert not targets.check("frozen", found).ok


def test_predicted_labels_must_agree():
    labels = ["a"] * 99 + ["b"]
    found = {
        "dianji": [{"labels": labels}],
        "sentence-transformers": [{"labels": ["a"] * 100}],
        "pipeline": [{"labels": ["z"] * 100}],
    }
    assert targets.check("predict", found).ok
    found["dianji"] = [{"labels": ["b", *labels[1:]]}]
    assert not targets.check("predict", found).ok


def test_slower_variants_are_not_measured_again_unless_another_row_needs_them():
    loops = {f"loop with {workers} workers": [measured(rate)] for workers, rate in ((0, 10), (1, 30), (2, 20))}
    assert targets.slower_variants("images", loops) == {"loop with 0 workers", "loop with 2 workers"}
    full = {"trainer best": [measured(10)], "trainer best, 1 loader": [measured(20)]}
    assert targets.slower_variants("full", full) == set()  # its memory is compared
    assert targets.slower_variants("lora", full) == set()
