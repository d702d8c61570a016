"""Kernels are compiled once, where only their user can write; whatever is missing is said, and torch does the work."""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from dianji.kernels.native import build, structs

needs_compiler = pytest.mark.compiler


FAST = ("-O0", "-fopenmp", "-fPIC")  # which is quicker to compile


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing remembered; afterwards all is as it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (build.SWITCH, build.SANITIZE, *build.STACK_SIZES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(build, "built", build.built.__wrapped__)
    monkeypatch.setattr(build, "FLAGS", FAST)
    monkeypatch.setattr(build, "FLAGS_OF_MACHINES", dict.fromkeys(build.FLAGS_OF_MACHINES, ()))
    return tmp_path


def cache(home: Path) -> Path:
    return home / "dianji" / "kernels"


def kept(home: Path) -> list[Path]:
    return sorted(cache(home).iterdir())


def reason() -> str:
    found = build.built()
    assert found.functions is None
    assert not found.digest
    return found.description


@needs_compiler
class TestCompiled:
    def test_once(self, home: Path) -> None:
        first = build.built()
        assert first.functions is not None
        (path,) = kept(home)
        inode = path.stat().st_ino
        again = build.built()
        assert (again.description, again.digest) == ("compiled kernels", first.digest)
        assert [path.stat().st_ino for path in kept(home)] == [inode]

    def test_where_nobody_else_can_write(self, home: Path) -> None:
        build.built()
        for path in (home / "dianji", cache(home), *kept(home)):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path

    def test_several_at_a_time_leave_one_whole_library(self, home: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: build.built(), range(4)))
        assert all(one.functions is not None for one in found)
        assert len(kept(home)) == 1

    def test_anew_for_other_sources_and_other_flags(self, home: Path, tmp_path: Path, monkeypatch) -> None:
        compiler = build._compiler()
        before = build._digest(compiler, FAST)
        assert build._digest(compiler, (*FAST, "-g")) != before
        changed = tmp_path / "kernels.c"
        changed.write_text(build.SOURCES[0].read_text() + "\n/* changed */\n", encoding="utf-8")
        monkeypatch.setattr(build, "SOURCES", (changed, *build.SOURCES[1:]))
        assert build._digest(compiler, FAST) != before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_home_that_cannot_be_written_to(self, home: Path) -> None:
        home.chmod(0o500)
        assert build.built().functions is not None
        home.chmod(0o700)
        assert not list(home.iterdir())

    def test_a_home_that_is_a_file(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
        monkeypatch.setattr("tempfile.tempdir", str(home))
        assert build.built().functions is not None
        assert [path.name for path in home.iterdir()] == ["file"]  # what was loaded is not needed any more


@needs_compiler
class TestTrust:
    """A library is loaded if this user alone can have written it, and if it holds what its name says."""

    def test_the_name_is_of_the_sources_and_of_the_content(self, home: Path) -> None:
        digest = build.built().digest
        (path,) = kept(home)
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        assert path.name == f"{digest}-{content}.so"

    def test_a_folder_of_somebody_else_is_not_used(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 12345)
        with build._folder() as folder:
            assert folder != cache(home)

    def test_a_folder_that_others_can_write_to_is_closed_to_them(self, home: Path) -> None:
        cache(home).mkdir(parents=True)
        cache(home).chmod(0o777)
        with build._folder() as folder:
            assert folder == cache(home)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_a_folder_whose_mode_stays_as_it_is_is_not_used(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache(home).mkdir(parents=True)
        cache(home).chmod(0o777)
        monkeypatch.setattr(Path, "chmod", lambda path, mode: None)  # as on a file system without modes
        with build._folder() as folder:
            assert folder != cache(home)

    def written(self, home: Path) -> Path:
        digest = build._digest(build._compiler(), build._flags())
        cache(home).mkdir(parents=True)
        return cache(home) / build._name(digest, b"no library")

    @pytest.mark.parametrize("mode", [0o720, 0o702])
    def test_a_library_that_others_can_write_to_is_compiled_anew(self, home: Path, mode: int) -> None:
        planted = self.written(home)
        planted.write_bytes(b"no library")
        planted.chmod(mode)
        assert build.built().functions is not None
        assert not planted.exists()

    def test_a_link_is_not_followed(self, home: Path) -> None:
        planted = self.written(home)
        (home / "elsewhere").write_bytes(b"no library")
        planted.symlink_to(home / "elsewhere")
        assert build.built().functions is not None
        assert not planted.is_symlink()

    def test_a_library_that_was_cut_short_is_compiled_anew(self, home: Path) -> None:
        build.built()
        (path,) = kept(home)
        whole = path.read_bytes()
        path.unlink()  # the first is mapped into this process
        path.write_bytes(whole[:100])
        path.chmod(0o700)
        assert build.built().functions is not None
        (again,) = kept(home)
        assert again.read_bytes() == whole


@needs_compiler
class TestSwept:
    def old(self, path: Path, seconds: float) -> Path:
        before = time.time() - seconds
        os.utime(path, (before, before))
        return path

    def test_what_nobody_uses_any_more(self, home: Path) -> None:
        build.built()
        (used,) = kept(home)
        self.old(used, 2 * build.UNUSED)
        for name, age in (("unused.so", 2 * build.UNUSED), ("another.so", build.UNUSED / 2)):
            (cache(home) / name).write_bytes(b"")
            self.old(cache(home) / name, age)
        for name, age in (("build-killed", 2 * build.KILLED), ("build-running", build.KILLED / 2)):
            (cache(home) / name).mkdir()
            (cache(home) / name / "kernels.o").write_bytes(b"")
            self.old(cache(home) / name, age)
        build.built()
        assert [path.name for path in kept(home)] == sorted([used.name, "another.so", "build-running"])
        assert time.time() - used.stat().st_mtime < build.UNUSED  # being loaded counts as use

    def test_temporary_folders_of_killed_processes(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
        monkeypatch.setattr("tempfile.tempdir", str(home))
        for name, age in (("killed", 2 * build.KILLED), ("running", build.KILLED / 2)):
            folder = home / f"{build.TEMPORARY}{name}"
            folder.mkdir(mode=0o700)
            self.old(folder, age)
        build.built()
        assert sorted(path.name for path in home.iterdir()) == [f"{build.TEMPORARY}running", "file"]


class TestMissing:
    def test_switched_off(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(build.SWITCH, "off")
        assert reason() == "torch's kernels, DIANJI_KERNELS is off"
        assert not list(home.iterdir())

    def test_no_compiler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setattr("shutil.which", lambda name: None)
        assert "no C compiler" in reason()

    @needs_compiler
    @pytest.mark.parametrize("script", ["exit 1", "echo 'error: no such flag' >&2; exit 1", "exit 0"])
    def test_a_compiler_that_fails(self, home: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = home / "cc"
        fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{script}\n', encoding="utf-8")
        fake.chmod(0o755)
        monkeypatch.setenv("CC", str(fake))
        assert reason().startswith("torch's kernels, ")
        assert not kept(home)

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_another_system(self, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.platform", system)
        assert reason() == f"torch's kernels, on {system} nothing is compiled"

    def test_another_processor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
        assert reason() == "torch's kernels, nothing is compiled for riscv64, only for x86_64 and aarch64"

    @needs_compiler
    def test_a_library_that_does_not_fit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(structs.FACTS, "the size of Layer", 8)
        size = ctypes.sizeof(structs.LayerStruct)
        assert f"does not fit this version: the size of Layer is {size} in the library, 8 was expected" in reason()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are told of first")
class TestStacks:
    def test_of_the_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("resource.getrlimit", lambda what: (2**20, 2**20))
        needed = -(-build.LEAST_STACK // 1024)
        assert reason() == f"torch's kernels, ulimit -s limits stacks to 1024 KiB; {needed} KiB are needed"

    @pytest.mark.parametrize(
        ("name", "size", "kib"),
        [
            ("OMP_STACKSIZE", "512", 512),
            ("OMP_STACKSIZE", " 1 m ", 1024),
            ("OMP_STACKSIZE", "100000B", 97),
            ("GOMP_STACKSIZE", "1024k", 1024),
            ("KMP_STACKSIZE", "1048576", 1024),
        ],
    )
    def test_of_threads_of_openmp(self, name: str, size: str, kib: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, size)
        assert f"{name} limits stacks to {kib} KiB" in reason()

    def test_of_python_s_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("threading.stack_size", lambda: 2**19)
        assert "threading.stack_size limits stacks to 512 KiB" in reason()

    @pytest.mark.parametrize("size", ["8M", "4096", "1G", "", "much"])
    def test_large_enough_or_not_understood(self, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_STACKSIZE", size)
        build._require_stack()

    @needs_compiler
    def test_what_the_hungriest_kernel_takes(self, tmp_path: Path) -> None:
        """As the compiler counts it, with a few KiB for what it keeps beside the arrays."""
        version = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout
        if "Free Software Foundation" not in version:
            pytest.skip("only GCC counts")
        flags = ("-O1", "-fopenmp", "-fPIC", "-fstack-usage", "-w")
        subprocess.run(["cc", *flags, "-c", str(build.SOURCES[0]), "-o", str(tmp_path / "kernels.o")], check=True)
        lines = (tmp_path / "kernels.su").read_text().splitlines()
        sizes = {line.split("\t")[0].rpartition(":")[2]: int(line.split("\t")[1]) for line in lines}
        assert max(sizes, key=lambda name: sizes[name]).startswith("attend")
        assert structs.STACK <= max(sizes.values()) < build.LEAST_STACK - 2**18


@needs_compiler
class TestOpenMp:
    def test_torch_without_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(build, "_where_torch_looks", lambda: iter(()))
        assert reason() == "torch's kernels, torch has no OpenMP here"

    def test_another_one_than_torchs_is_refused(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "libgomp.so").write_bytes(b"")
        build.built()
        monkeypatch.setattr(build, "_file_of", lambda address: home / "libgomp.so")
        library = ctypes.CDLL(str(kept(home)[0]))
        with pytest.raises(build._Missing, match=r"they were bound to .*libgomp.so, but torch uses"):
            build._require_bound(library, home / "dianji")

    @pytest.mark.parametrize("first", ["sklearn.linear_model", "torch"])
    def test_the_one_of_torch_is_found_beside_that_of_scikit_learn(self, first: str) -> None:
        """In whatever order they were imported. Both are in the process, and torch's is the one whose threads count."""
        script = (
            f"import {first}, sklearn.linear_model, torch, pathlib\n"
            "from dianji.kernels.native import build\n"
            "maps = {line.split(maxsplit=5)[-1].strip() for line in open('/proc/self/maps')}\n"
            "print(sum('libgomp' in line for line in maps), build._openmp(), build.built().description, sep='|')\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        count, path, description = done.stdout.strip().split("|")
        if int(count) < 2:
            pytest.skip("torch and scikit-learn share one here")
        assert Path(path).is_relative_to(Path(torch.__file__).parent)
        assert description == "compiled kernels"
