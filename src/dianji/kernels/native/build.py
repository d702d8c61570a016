"""Compiling and loading: once for a kind of CPU, into the user's own cache, and never where others may write.

The library is plain C without headers of torch. It shares torch's threads: two pools of OpenMP that spin for work on
the same cores would take turns waiting for each other.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

#: Set to ``off``, nothing is compiled or loaded, and torch's own operations are used.
SWITCH = "DIANJI_KERNELS"
SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernels.c", "kernels.h", "maps.h", "tiles.h", "layer.h"))
#: IEEE arithmetic but for products that are fused with sums, and for traps that nobody set.
FLAGS = (
    *("-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
MOST_SECONDS = 120
#: A thread's stack holds what attention works on: 1.3 MiB at its largest.
LEAST_STACK = 4 * 2**20
#: What torch's own OpenMP may be called.
RUNTIMES = ("libgomp", "libiomp5", "libomp")


class Built(NamedTuple):
    """The library, or why there is none."""

    library: ctypes.CDLL | None
    description: str


class _Missing(Exception):
    """Why there are no kernels here."""


@functools.cache
def built() -> Built:
    """The kernels of this process. The first call on a machine compiles for some seconds; never raises."""
    try:
        return Built(_load(), "compiled kernels")
    except _Missing as reason:
        return Built(None, f"torch's kernels, {reason}")
    except (OSError, subprocess.SubprocessError) as error:
        return Built(None, f"torch's kernels, compiling failed: {_short(str(error))}")


def _load() -> ctypes.CDLL:
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"):
        raise _Missing(f"{SWITCH} is off")
    if sys.platform != "linux":
        raise _Missing(f"on {sys.platform} nothing is compiled")
    import resource  # which only Unix has

    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if stack != resource.RLIM_INFINITY and stack < LEAST_STACK:
        raise _Missing(f"stacks are limited to {stack // 1024} KiB; {LEAST_STACK // 1024} are needed (ulimit -s)")
    # Made visible to what is loaded next, which names these functions and no file that holds them.
    ctypes.CDLL(str(_openmp()), mode=ctypes.RTLD_GLOBAL)
    compiler = _compiler()
    name = f"{_digest(compiler)}.so"
    folder = _folder()
    path = folder / name
    if not path.exists():
        _compile(compiler, path)
    return ctypes.CDLL(str(path))


def _openmp() -> Path:
    """The OpenMP library that torch has loaded."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(RUNTIMES):
            return path
    raise _Missing("torch has no OpenMP here")


def _compiler() -> str:
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found is not None:
            return found
    raise _Missing("there is no C compiler (cc)")


def _digest(compiler: str) -> str:
    """Names all that the machine code depends on."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=MOST_SECONDS).stdout
    found = hashlib.sha256(b"\0".join([*(path.read_bytes() for path in SOURCES), version, *map(str.encode, FLAGS)]))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    for wanted in ("vendor_id", "model name", "flags", "Features"):
        found.update(next((line for line in lines if line.startswith(wanted)), "").encode())
    return found.hexdigest()[:32]


def _folder() -> Path:
    """``~/.cache/dianji/kernels``, if it is the user's alone; else one that goes with this process."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "dianji" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.parent.chmod(0o700)
        folder.chmod(0o700)
        mine = all(place.stat().st_uid == os.geteuid() for place in (folder, folder.parent))
        if mine and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass  # a home that cannot be written to
    temporary = tempfile.mkdtemp(prefix="dianji-kernels-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _compile(compiler: str, path: Path) -> None:
    """Into its place at once, so that a process beside this one sees all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        built, whole = Path(temporary) / "kernels.o", Path(temporary) / "kernels.so"
        # Linked without OpenMP: its functions are found in the library that torch uses.
        for command in (
            [compiler, *FLAGS, "-w", "-c", str(SOURCES[0]), "-o", str(built)],
            [compiler, "-shared", str(built), "-o", str(whole)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MOST_SECONDS)
            if done.returncode != 0:
                raise _Missing(f"{Path(compiler).name} failed: {_short(done.stderr)}")
        whole.chmod(0o700)
        whole.replace(path)


def _short(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return (next((line for line in lines if "error" in line), lines[0]) if lines else "without a word")[:200]
