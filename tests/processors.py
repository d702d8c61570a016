"""Runs the tests of engine and kernels as other processors would: fewer instructions, no kernels, one thread and two.

``python -m tests.processors`` is ``make test-isa``. ``--quick`` runs the tests that compare bits, each setting once;
that is what CI does. What is left out is printed with its reason.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: What oneDNN may use -> the flags that Linux names if the processor has that. In this order each includes the last.
ISAS = {
    "AVX2": {"avx2", "fma"},
    "AVX512_CORE": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_CORE_BF16": {"avx512_vnni", "avx512_bf16"},
}
#: So that torch's own loops and MKL, too, do what they do on a processor without AVX-512.
WITH_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
ALL = ("tests/engine", "tests/kernels")
#: Tests that compare results to the bit: kept and not, resumed and not, recomputed and not, packed and not.
OF_BITS = (
    "tests/engine/frozen",
    "tests/engine/test_learn.py",
    "tests/engine/test_recomputing.py",
    "tests/engine/test_profile.py",
    "tests/engine/test_eight_bit.py",
    "tests/kernels/layers/test_whole.py",
    "tests/kernels/layers/test_packing.py",
)
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Setting:
    """One way to run the tests. Threads are those of each test; there are as many workers as cores are left for."""

    name: str
    threads: int = 1
    kernels: bool = True
    isa: str | None = None

    def environment(self) -> dict[str, str]:
        """What is set for it; the rest is as it is here."""
        found = {"DIANJI_TEST_THREADS": str(self.threads)}
        if self.isa is not None:
            found["ONEDNN_MAX_CPU_ISA"] = self.isa
        if self.isa == "AVX2":
            found |= WITH_AVX2
        if not self.kernels:
            found |= {"DIANJI_KERNELS": "off", "DIANJI_REQUIRE_KERNELS": "0"}
        return found


@dataclass
class Plan:
    """What is run, and why other settings are not."""

    run: list[Setting] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def settings() -> Iterator[Setting]:
    """All of them, the plain one of ``make test`` aside."""
    for isa in ISAS:
        for threads in (1, 2):
            yield Setting(f"{isa}, {_in_words(threads)}", threads, isa=isa)
    for threads in (1, 2):
        yield Setting(f"kernels off, {_in_words(threads)}", threads, kernels=False)
    yield Setting("as it is, 2 threads", 2)


def plan(flags: set[str], *, quick: bool) -> Plan:
    """The settings that this processor has."""
    found = Plan()
    needed: set[str] = set()
    lacking = {}
    for isa, flag in ISAS.items():
        needed |= flag
        lacking[isa] = sorted(needed - flags)
    for setting in settings():
        if setting.isa is not None and lacking[setting.isa]:
            found.left_out[setting.name] = f"this processor lacks {', '.join(lacking[setting.isa])}"
        elif quick and not _in_quick(setting, lacking):
            found.left_out[setting.name] = "only make test-isa runs it, for CI has minutes"
        else:
            found.run.append(setting)
    return found


def _in_quick(setting: Setting, lacking: dict[str, list[str]]) -> bool:
    """The least instructions, the most that are told apart, no kernels, two threads: each in one setting."""
    most = [isa for isa in ISAS if not lacking[isa]][-1:]
    if setting.isa is None:
        return setting.kernels == (setting.threads == 2)
    return setting.threads == 1 and (setting.isa == "AVX2" or [setting.isa] == most)


def flags_of(cpuinfo: str) -> set[str]:
    """The processor's instructions, as Linux tells them; empty elsewhere than on x86."""
    return next((set(line.split()[2:]) for line in cpuinfo.splitlines() if line.startswith("flags")), set())


def pytest_command(setting: Setting, tests: Sequence[str], cores: int) -> list[str]:
    """Two workers of one thread each are quicker on two cores than one of two; one of two threads needs both."""
    workers = max(1, cores // setting.threads)
    return [sys.executable, "-m", "pytest", "-q", "-n", str(workers if workers > 1 else 0), *tests]


def run(setting: Setting, tests: Sequence[str]) -> int:
    """pytest's exit status."""
    print(f"\n== {setting.name}: {' '.join(f'{n}={v}' for n, v in setting.environment().items())}", flush=True)
    environment = os.environ | setting.environment()
    return subprocess.run(pytest_command(setting, tests, os.cpu_count() or 1), env=environment, check=False).returncode


def main(arguments: Sequence[str] | None = None, run: Callable[[Setting, Sequence[str]], int] = run) -> int:
    """Run what there is, all of it even where something fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only tests that compare bits, each setting once")
    quick = parser.parse_args(arguments).quick
    tests = OF_BITS if quick else ALL
    flags = flags_of(CPUINFO.read_text(encoding="utf-8")) if CPUINFO.exists() else set()
    found = plan(flags, quick=quick)
    results: dict[str, tuple[int, float]] = {}
    for setting in found.run:
        began = time.monotonic()
        results[setting.name] = run(setting, tests), time.monotonic() - began
    print(f"\n== {' '.join(tests)}")
    for name, (status, seconds) in results.items():
        print(f"{'passed' if status == 0 else f'FAILED ({status})'}  {name} ({seconds:.0f} s)")
    for name, reason in found.left_out.items():
        print(f"left out  {name}: {reason}")
    return int(any(status for status, _ in results.values()))


def _in_words(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


if __name__ == "__main__":
    sys.exit(main())
