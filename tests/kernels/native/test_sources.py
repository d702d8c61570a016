"""The C sources: no compiler warns of them, ARM takes them, and sanitizers find nothing in what the tests call."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dianji.kernels.native import build
from tests.needs import need_kernels

ROOT = Path(__file__).parents[3]
CALLED = ("test_encoder.py", "test_maps.py", "test_adamw.py", "test_tiles.py")
#: Processors without AVX-512, with it, and with AMX, whose branches are compiled nowhere else.
PROCESSORS = ("x86-64", "x86-64-v3", "x86-64-v4", "sapphirerapids")
needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None or platform.machine() != "x86_64",
    reason="needs a C compiler for x86-64 on Linux",
)


def warnings(compiler: str, *flags: str) -> str:
    """What a compiler says of the sources."""
    command = [compiler, *build.FLAGS, "-Werror", *flags, "-S", str(build.SOURCES[0]), "-o", os.devnull]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_no_warnings(processor: str) -> None:
    if "bad value" in warnings("cc", f"-march={processor}", "-E"):
        pytest.skip(f"this compiler does not know {processor}")
    assert warnings("cc", "-O1", f"-march={processor}") == ""


def test_no_warning_is_hidden() -> None:
    assert {"-Wall", "-Wextra"} <= set(build.FLAGS)
    assert "-w" not in build.FLAGS
    assert not any("#pragma GCC diagnostic" in path.read_text() for path in build.SOURCES)


@pytest.mark.slow
def test_arm_takes_them() -> None:
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is None and platform.machine() == "aarch64":
        compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler for ARM (aarch64-linux-gnu-gcc)")
    assert warnings(compiler, "-O1") == ""


@needs_compiler
@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    """The kernels' own tests again, in a process whose every tensor is watched."""
    need_kernels()
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    if not Path(runtime.strip()).is_absolute():
        pytest.skip("this compiler has no runtime of the address sanitizer (libasan.so)")
    environment = os.environ | {
        build.SANITIZE: "1",
        "LD_PRELOAD": runtime.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "CI": "1",  # fewer examples
    }
    script = "from dianji.kernels.native import build; print(build.built().description)"
    built = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert built.stdout.strip() == "compiled kernels"
    tests = [str(Path(__file__).with_name(name)) for name in CALLED]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *tests]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@needs_compiler
@pytest.mark.slow
def test_sanitizers_find_what_is_wrong(tmp_path: Path) -> None:
    """A call that writes one row too far ends the process, so that the test above can fail."""
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    need_kernels()
    if not Path(runtime.strip()).is_absolute():
        pytest.skip("this compiler has no runtime of the address sanitizer (libasan.so)")
    environment = os.environ | {build.SANITIZE: "1", "LD_PRELOAD": runtime.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    script = (
        "import torch; from dianji.kernels.native import library\n"
        "library.run('widen', torch.zeros(64).bfloat16(), torch.empty(64), 80, 1)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
