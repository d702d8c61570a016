"""Peak memory of a stage, measured by the operating system rather than sampled."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch


def reset_peak() -> None:
    """Start measuring anew, where the system can (Linux, CUDA); elsewhere the peak is the process's whole life."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
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
