"""Kernels are compiled once, where only their user can write; whatever is missing is said, and torch does the work."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dianji.kernels.native import build

needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="needs a C compiler"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing remembered; afterwards all is as it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "built", build.built.__wrapped__)
    monkeypatch.setattr(build, "FLAGS", ("-O0", "-fopenmp", "-fPIC"))  # which is quicker to compile
    return tmp_path


def kept(home: Path) -> list[Path]:
    return sorted((home / "dianji" / "kernels").iterdir())


@needs_compiler
class TestCompiled:
    def test_once(self, home: Path) -> None:
        assert build.built().library is not None
        (first,) = kept(home)
        written = first.stat().st_mtime_ns
        assert build.built().description == "compiled kernels"
        assert [path.stat().st_mtime_ns for path in kept(home)] == [written]

    def test_where_nobody_else_can_write(self, home: Path) -> None:
        build.built()
        for path in (home / "dianji", home / "dianji" / "kernels", *kept(home)):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path

    def test_several_at_a_time_leave_one_whole_library(self, home: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: build.built(), range(4)))
        assert all(one.library is not None for one in found)
        assert len(kept(home)) == 1

    def test_anew_for_other_sources_and_another_cpu(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        before = build._digest(build._compiler())
        changed = tmp_path / "kernels.c"
        changed.write_text(build.SOURCES[0].read_text() + "\n/* changed */\n", encoding="utf-8")
        monkeypatch.setattr(build, "SOURCES", (changed, *build.SOURCES[1:]))
        assert build._digest(build._compiler()) != before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_home_that_cannot_be_written_to(self, home: Path) -> None:
        home.chmod(0o500)
        assert build.built().library is not None
        home.chmod(0o700)
        assert not list(home.iterdir())

    def test_a_home_that_is_a_file(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
        assert build.built().library is not None

    def test_a_folder_of_somebody_else_is_not_used(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        assert build._folder() != home / "dianji" / "kernels"


class TestMissing:
    def test_switched_off(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(build.SWITCH, "off")
        assert build.built() == (None, "torch's kernels, DIANJI_KERNELS is off")
        assert not list(home.iterdir())

    def test_no_compiler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setattr("shutil.which", lambda name: None)
        assert build.built().library is None
        assert "no C compiler" in build.built().description

    @needs_compiler
    @pytest.mark.parametrize("script", ["exit 1", "echo 'error: no such flag' >&2; exit 1", "exit 0"])
    def test_a_compiler_that_fails(self, home: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = home / "cc"
        fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{script}\n', encoding="utf-8")
        fake.chmod(0o755)
        monkeypatch.setenv("CC", str(fake))
        found = build.built()
        assert found.library is None
        assert found.description.startswith("torch's kernels, ")
        assert not kept(home)

    @pytest.mark.parametrize("platform", ["darwin", "win32"])
    def test_another_system(self, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.platform", platform)
        assert build.built() == (None, f"torch's kernels, on {platform} nothing is compiled")

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems are told of first")
    def test_small_stacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("resource.getrlimit", lambda what: (2**20, 2**20))
        assert build.built() == (None, "torch's kernels, stacks are limited to 1024 KiB; 4096 are needed (ulimit -s)")

    def test_torch_without_openmp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(build, "RUNTIMES", ("libnothing",))
        assert "no OpenMP" in build.built().description
