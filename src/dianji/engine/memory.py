"""Memory of a stage: its peak as the operating system measures it, and reuse of freed pages."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 * 2**20  # glibc's own bound; larger blocks would be torn up by small ones, and the heap would grow


def reset_peak() -> None:
    """Start measuring anew, where the system can (Linux, CUDA); elsewhere the peak is the process's whole life."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    gc.collect()  # a model that was trained before is in a circle with its hooks
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)  # memory kept by an earlier stage does not count
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """Largest resident memory since ``reset_peak`` in MiB: the GPU's if one is used, else the process's."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def keep_pages() -> None:
    """From now on the C library keeps freed pages for later use; without glibc nothing changes.

    By default it gives large blocks back to the system at once, which must then clear every page of them anew: about a
    tenth of a step of a small encoder on a CPU. Peak memory does not change.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def steady_memory() -> Iterator[None]:
    """Around a training loop: freed memory is reused by the next step, and Python's collector has less to scan.

    A program that has frozen its objects itself (``gc.freeze``) is left as it is, since unfreezing would undo that too.
    """
    keep_pages()
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()  # imported libraries hold a million objects that outlive training anyway
    try:
        yield
    finally:
        gc.unfreeze()


def _glibc(function: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of this name (musl, macOS, Windows)."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
