"""Which settings the engine's tests are run under again, and that a failure in any of them is one of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import processors
from tests.conftest import ROOT
from tests.processors import ALL, ISAS, OF_BITS, Setting, flags_of, main, plan, pytest_command

ZEN = set().union(*ISAS.values())


def names(flags: set[str], *, quick: bool = False) -> list[str]:
    return [setting.name for setting in plan(flags, quick=quick).run]


def test_everything_that_the_processor_has():
    assert len(names(ZEN)) == 9
    assert not plan(ZEN, quick=False).left_out
    assert {setting.isa for setting in plan(ZEN, quick=False).run} == {*ISAS, None}


def test_what_it_lacks_is_left_out_and_said():
    found = plan({"avx2", "fma"}, quick=False)
    assert [setting.isa for setting in found.run if setting.isa] == ["AVX2", "AVX2"]
    assert found.left_out["AVX512_CORE, 1 thread"] == "this processor lacks avx512bw, avx512dq, avx512f, avx512vl"
    assert all(isa not in name for isa in ISAS for name in names(set()))


def test_the_quick_ones_have_each_kind_once():
    found = plan(ZEN, quick=True)
    assert [setting.name for setting in found.run] == [
        "AVX2, 1 thread",
        "AVX512_CORE_BF16, 1 thread",
        "kernels off, 1 thread",
        "as it is, 2 threads",
    ]
    assert len(found.left_out) == 5
    assert names({"avx2", "fma"}, quick=True)[0] == "AVX2, 1 thread"


def test_what_a_setting_sets():
    without = Setting("", kernels=False).environment()
    assert without == {"DIANJI_TEST_THREADS": "1", "DIANJI_KERNELS": "off", "DIANJI_REQUIRE_KERNELS": "0"}
    assert Setting("", isa="AVX2").environment()["ATEN_CPU_CAPABILITY"] == "avx2"
    assert pytest_command(Setting("", 2), ALL, 2)[-4:] == ["-n", "0", *ALL]
    assert pytest_command(Setting("", 1), ALL, 2)[-4:] == ["-n", "2", *ALL]


def test_all_are_run_and_one_failure_is_enough(monkeypatch, tmp_path, capsys):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {' '.join(ZEN)}\n", encoding="utf-8")
    monkeypatch.setattr(processors, "CPUINFO", tmp_path / "cpuinfo")
    seen = []

    def run(setting: Setting, tests: Sequence[str]) -> int:
        seen.append(setting.name)
        return int(setting.name == "AVX2, 1 thread" and tests == OF_BITS)

    assert main(["--quick"], run) == 1
    assert len(seen) == 4
    told = capsys.readouterr().out
    assert "FAILED (1)  AVX2, 1 thread" in told
    assert "left out  AVX2, 2 threads: only make test-isa runs it" in told
    assert main([], run) == 0


@pytest.mark.parametrize("path", [*ALL, *OF_BITS])
def test_the_tests_exist(path: str):
    assert (ROOT / path).exists()


def test_flags_are_read():
    assert flags_of("vendor_id\t: AMD\nflags\t\t: fpu avx2\n\nflags\t\t: none\n") == {"fpu", "avx2"}
    assert flags_of("Features\t: fp asimd\n") == set()
    assert not Path("/proc/cpuinfo").exists() or isinstance(flags_of(Path("/proc/cpuinfo").read_text()), set)
