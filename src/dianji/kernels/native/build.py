"""Compiling and loading: once for a kind of CPU, into the user's own cache, and never where others may write.

The library is plain C without headers of torch. It shares torch's threads: two pools of OpenMP that spin for work on
the same cores would take turns waiting for each other.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dianji.kernels.native.abi import Function, Mismatch, bind
from dianji.kernels.native.structs import STACK

#: Set to ``off``, nothing is compiled or loaded, and torch's own operations are used.
SWITCH = "DIANJI_KERNELS"
#: Set to ``1``, the library is compiled with the address and undefined-behaviour sanitizers, for tests (make sanitize).
SANITIZE = "DIANJI_KERNELS_SANITIZE"
SOURCES = tuple(
    Path(__file__).with_name(name) for name in ("kernels.c", "kernels.h", "maps.h", "tiles.h", "layer.h", "facts.h")
)
#: IEEE arithmetic but for products that are fused with sums, and for traps that nobody set.
FLAGS = (
    *("-O3", "-fopenmp", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
    # Vectors are passed between functions of one file only: how other compilers pass them does not matter.
    *("-Wall", "-Wextra", "-Wno-psabi"),
)
#: By ``platform.machine()``: on other processors no test of the kernels has ever run.
FLAGS_OF_MACHINES = {
    "x86_64": ("-march=native", "-mprefer-vector-width=512"),
    "aarch64": ("-mcpu=native",),
}
SANITIZERS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MOST_SECONDS = 120
MOST_SECONDS_SANITIZED = 1200
#: Bytes: a kernel's own arrays, and half a MiB for all else that lies on a thread's stack.
LEAST_STACK = STACK + 2**19
#: Stacks of OpenMP's threads by environment variables, with the unit of a number without one.
STACK_SIZES = {"OMP_STACKSIZE": "k", "GOMP_STACKSIZE": "k", "KMP_STACKSIZE": "b"}
#: Seconds: a library that nobody has loaded for so long is removed, and a folder of a build that was killed.
UNUSED, KILLED = 30 * 86400, 3600
BUILDING, TEMPORARY = "build-", "dianji-kernels-"


class Built(NamedTuple):
    """The library's functions, or why there are none; ``digest`` names what their bits depend on."""

    functions: Mapping[str, Function] | None
    description: str
    digest: str = ""


class _Missing(Exception):
    """Why there are no kernels here."""


@functools.cache
def built() -> Built:
    """The kernels of this process. The first call on a machine compiles for some seconds; never raises."""
    try:
        return _load()
    except _Missing as reason:
        return Built(None, f"torch's kernels, {reason}")
    except (OSError, subprocess.SubprocessError) as error:
        return Built(None, f"torch's kernels, compiling failed: {_short(str(error))}")


def _load() -> Built:
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"):
        raise _Missing(f"{SWITCH} is off")
    if sys.platform != "linux":
        raise _Missing(f"on {sys.platform} nothing is compiled")
    _require_stack()
    flags = _flags()
    openmp = _openmp()
    # Made visible to what is loaded next, which names these functions and no file that holds them.
    ctypes.CDLL(str(openmp), mode=ctypes.RTLD_GLOBAL)
    compiler = _compiler()
    digest = _digest(compiler, flags)
    with _folder() as folder:
        path = _found(folder, digest) or _compile(compiler, flags, folder, digest)
        library = ctypes.CDLL(str(path))
        _sweep(folder, path)
    try:
        functions = bind(library)
    except Mismatch as mismatch:
        raise _Missing(f"{path.name} does not fit this version: {mismatch}") from None
    _require_bound(library, openmp)
    return Built(functions, "compiled kernels", digest)


def _require_stack() -> None:
    """Attention works on a thread's stack, which would be overrun without a word."""
    import resource  # which only Unix has

    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    sizes = {} if limit == resource.RLIM_INFINITY else {"ulimit -s": limit}
    if own := threading.stack_size():
        sizes["threading.stack_size"] = own
    for name, unit in STACK_SIZES.items():
        # What OpenMP does not understand it does not obey.
        if found := re.fullmatch(r"\s*(\d+)\s*([bkmg]?)\s*", os.environ.get(name, ""), re.IGNORECASE):
            sizes[name] = int(found[1]) * 1024 ** "bkmg".index(found[2].lower() or unit)
    for name, size in sizes.items():
        if size < LEAST_STACK:
            raise _Missing(f"{name} limits stacks to {size // 1024} KiB; {-(-LEAST_STACK // 1024)} KiB are needed")


def _flags() -> tuple[str, ...]:
    machine = platform.machine()
    own = FLAGS_OF_MACHINES.get(machine)
    if own is None:
        raise _Missing(f"nothing is compiled for {machine}, only for {' and '.join(FLAGS_OF_MACHINES)}")
    return (*FLAGS, *own, *(SANITIZERS if os.environ.get(SANITIZE) == "1" else ()))


class _Place(ctypes.Structure):
    """What ``dladdr`` finds."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _openmp() -> Path:
    """The OpenMP library that torch calls, which need not be the only one: scikit-learn brings one of its own."""
    for library in _where_torch_looks():
        try:
            function = library.omp_get_num_threads
        except AttributeError:
            continue
        return _file_of(ctypes.cast(function, ctypes.c_void_p).value)
    raise _Missing("torch has no OpenMP here")


def _where_torch_looks() -> Iterator[ctypes.CDLL]:
    """As the dynamic linker: what the whole process sees, such as LD_PRELOAD, then what torch itself is linked to."""
    from torch import _C

    yield ctypes.CDLL(None)
    yield ctypes.CDLL(_C.__file__)


def _file_of(address: int | None) -> Path:
    """The file that a function was loaded from."""
    place = _Place()
    dladdr = ctypes.CDLL(None).dladdr
    dladdr.argtypes, dladdr.restype = (ctypes.c_void_p, ctypes.POINTER(_Place)), ctypes.c_int
    if not dladdr(address, ctypes.byref(place)) or not place.file:
        raise _Missing("the file of torch's OpenMP is not known")
    return Path(os.fsdecode(place.file))


def _require_bound(library: ctypes.CDLL, openmp: Path) -> None:
    """The library must have found the OpenMP that torch uses."""
    library.openmp.argtypes, library.openmp.restype = (), ctypes.c_void_p
    found = _file_of(library.openmp())
    if not found.samefile(openmp):
        raise _Missing(f"they were bound to {found}, but torch uses {openmp}")


def _compiler() -> str:
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found is not None:
            return found
    raise _Missing("there is no C compiler (cc)")


def _digest(compiler: str, flags: tuple[str, ...]) -> str:
    """Names all that the machine code depends on."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=MOST_SECONDS).stdout
    found = hashlib.sha256(b"\0".join([*(path.read_bytes() for path in SOURCES), version, *map(str.encode, flags)]))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    # The last three are those of ARM.
    for wanted in ("vendor_id", "model name", "flags", "Features", "CPU implementer", "CPU part"):
        found.update(next((line for line in lines if line.startswith(wanted)), "").encode())
    return found.hexdigest()[:32]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """``~/.cache/dianji/kernels``, if it is the user's alone; else one that is removed as soon as it is left."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "dianji" / "kernels"
    if _is_private(folder):
        yield folder
        return
    everybodys = Path(tempfile.gettempdir())
    _remove(path for path in everybodys.glob(f"{TEMPORARY}*") if _is_ours(path) and _age(path) > KILLED)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=everybodys) as temporary:
        yield Path(temporary)


def _is_private(folder: Path) -> bool:
    """Makes the folder, and says whether nobody but this user can write to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in (folder.parent, folder):
            if place.stat().st_uid != os.geteuid():
                return False
            place.chmod(0o700)
            if stat.S_IMODE(place.stat().st_mode) & 0o022:  # a file system without modes
                return False
    except OSError:
        return False  # a home that cannot be written to
    return os.access(folder, os.W_OK)


def _is_ours(path: Path) -> bool:
    """Whether this user alone can have written a file or folder; a link is nobody's."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o022


def _name(digest: str, content: bytes) -> str:
    """Of a library: what it was made from, and what it holds."""
    return f"{digest}-{hashlib.sha256(content).hexdigest()[:32]}.so"


def _found(folder: Path, digest: str) -> Path | None:
    """A library that was compiled before. One of somebody else, or whose bytes changed, is removed and not loaded."""
    for path in sorted(folder.glob(f"{digest}-*.so")):
        if _is_ours(path) and path.name == _name(digest, path.read_bytes()):
            return path
        path.unlink(missing_ok=True)
    return None


def _compile(compiler: str, flags: tuple[str, ...], folder: Path, digest: str) -> Path:
    """Into its place at once, so that a process beside this one sees all of it or nothing."""
    with tempfile.TemporaryDirectory(prefix=BUILDING, dir=folder) as temporary:
        built, whole = Path(temporary) / "kernels.o", Path(temporary) / "kernels.so"
        sanitizers = [flag for flag in flags if flag.startswith("-fsanitize=")]
        most = MOST_SECONDS_SANITIZED if sanitizers else MOST_SECONDS
        # Linked without OpenMP: its functions are found in the library that torch uses.
        for command in (
            [compiler, *flags, "-c", str(SOURCES[0]), "-o", str(built)],
            [compiler, "-shared", *sanitizers, str(built), "-o", str(whole)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=most)
            if done.returncode != 0:
                raise _Missing(f"{Path(compiler).name} failed: {_short(done.stderr)}")
        whole.chmod(0o700)
        path = folder / _name(digest, whole.read_bytes())
        return whole.replace(path)


def _sweep(folder: Path, used: Path) -> None:
    """Remove what nobody has used for long, and what builds that were killed have left."""
    with contextlib.suppress(OSError):
        os.utime(used)
    paths = list(folder.iterdir())
    _remove(path for path in paths if path.suffix == ".so" and path != used and _age(path) > UNUSED)
    _remove(path for path in paths if path.is_dir() and _age(path) > KILLED)


def _age(path: Path) -> float:
    """Seconds since it was written or, of a library, loaded. What is gone has no age."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _remove(paths: Iterator[Path]) -> None:
    """As far as it can be done; other processes may do the same."""
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _short(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return (next((line for line in lines if "error" in line), lines[0]) if lines else "without a word")[:200]
