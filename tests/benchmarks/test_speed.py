from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.loading import FOLDER, load

speed = load("speed")
targets = load("suite.targets")

MACHINE = {"kind": "amd-avx512bf16", "bf16": {"(2048 x 2048) (2048 x 2048)": 1000.0}}


def found() -> dict[str, Any]:
    ours = {"rate": 300.0, "seconds": 10.0, "flops": 6e12, "loss": 0.9, "peak_mb": 700.0}
    theirs = {"rate": 100.0, "seconds": 30.0, "flops": 6e12, "loss": 0.9, "peak_mb": 1000.0}
    return {
        "full": {"dianji": [ours, {**ours, "rate": 320.0}], "trainer best": [theirs, theirs]},
        "finished": {"dianji": [{"seconds": 1.5, "import_torch_seconds": 1.1}]},
    }


def test_the_table_tells_what_is_owed_and_what_was_found(capsys: pytest.CaptureFixture[str]):
    rows, checks = speed.judged(found(), MACHINE)
    speed.report(rows, checks, found())
    told = capsys.readouterr().out
    best = next(line for line in told.splitlines() if line.startswith("full, Trainer's best"))
    assert "310 (300 – 320)" in best
    assert "3.10" in best
    assert "≥ 1.6" in best
    assert "met" in best
    assert best.split()[-2:] == ["0.60", "0.20"]  # utilisation, ours and theirs
    assert "importing torch alone takes 1.10 s" in told
    assert "padded" not in told  # nobody measured it


def test_unequal_quality_misses_every_row_of_its_work():
    bad = found()
    bad["full"]["dianji"] = [{**one, "loss": 2.0} for one in bad["full"]["dianji"]]
    rows, checks = speed.judged(bad, MACHINE)
    assert [one.ok for one in checks] == [False]
    assert {row.target.work: row.ok for row in rows} == {"full": False, "finished": True}


def test_the_plot_is_written_as_png_and_svg(tmp_path: Path):
    rows, _ = speed.judged(found(), MACHINE)
    files = load("suite.plot").draw(rows, "a machine", tmp_path / "speed.json")
    assert [file.name for file in files] == ["speed.png", "speed.svg"]
    drawn = files[1].read_text(encoding="utf-8")
    assert drawn.startswith("<?xml")
    assert files[0].stat().st_size > 1000


def test_every_work_has_a_module_that_measures_it():
    modules = load("_speed_child").MODULES
    assert set(targets.WORKS) - {"finished"} <= modules.keys()
    for name in set(modules.values()):
        assert (FOLDER / "suite" / f"{name}.py").is_file()


def test_every_side_is_one_that_its_module_knows():
    trainer, predicting = load("suite.trainer"), load("suite.predicting")
    for work in targets.WORKS:
        peers = set(targets.sides(work)) - {"dianji"}
        known = predicting.SIDES.keys() if work == "predict" else {*trainer.SETTINGS, *targets.LOOPS}
        assert peers <= known
    gpu = load("gpu")
    for target in (*gpu.TARGETS, *gpu.TOYS):
        assert set(target.peers) <= trainer.SETTINGS.keys()


@pytest.mark.parametrize(
    ("tokens", "loss", "alike"), [(100, 5.0, True), (105, 5.1, True), (130, 5.0, False), (100, 6.0, False)]
)
def test_toys_that_learn_alike(tokens: int, loss: float, alike: bool):
    gpu = load("gpu")
    assert gpu.alike({"tokens": tokens, "loss": loss}, {"tokens": 100, "loss": 5.0}) is alike
