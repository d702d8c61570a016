"""Reads a few examples to the bit as they are read among all of their length, proved on the processor that runs.

The number of rows in a matrix product decides which of a library's kernels computes it, and how its rows are divided
among threads. Which numbers of rows give a row the same bits depends on processor, library and number of threads, so
it is measured: the first time that a group of some size occurs, examples of that length are read in groups of that
size and compared with what is read of all of them. Where they differ, larger groups are tried; where no size agrees,
the groups in which all examples are read are computed whole.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dianji.engine.frozen.graph_split import GraphSplit
from dianji.kernels.native.build import SWITCH

if TYPE_CHECKING:
    from dianji.engine.frozen.states import Reader

#: A group is filled up to a multiple of so many rows: kernels work on four rows at a time, and on what is left over in
#: another way (MKL and oneDNN on processors of AMD, with one thread and with several).
ROWS = 4
#: Environment variables by which the libraries of matrix products, and Dianji's own kernels, are told what to use.
SETTINGS = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    SWITCH,
)


@dataclass(frozen=True)
class ExactReader:
    """Gives what ``StoredStates`` would hold of the same examples, whatever the size of the group that is asked for."""

    cut: GraphSplit
    reader: Reader
    #: Whether groups of so many rows and tokens a row agree with the groups of all examples.
    tried: dict[tuple[int, int], bool] = field(default_factory=dict)
    #: Of the first and the last group of each length: their examples, and a digest of the states of each.
    expected: dict[int, list[tuple[np.ndarray, list[bytes]]]] = field(default_factory=dict)

    def read(self, indices: np.ndarray) -> Tensor:
        """(examples, …) or (examples, time, …): the states of examples of one length."""
        length = int(self.reader.lengths[indices[0]])
        groups = self._groups(length)
        rows, most = filled(len(indices)), filled(len(groups[0]))
        while rows <= most:
            if self._agrees(rows, length, groups):
                return self.reader.read(self.cut, indices, rows)
            rows *= 2
        return self._whole(indices, groups)

    def _groups(self, length: int) -> list[np.ndarray]:
        """All examples of one length, as they are read where their states are stored."""
        return list(self.reader.groups(self.cut, np.flatnonzero(self.reader.lengths == length)))

    def _agrees(self, rows: int, length: int, groups: list[np.ndarray]) -> bool:
        found = self.tried.get((rows, length))
        if found is None:
            found = all(
                _digests(self.reader.read(self.cut, group[part], rows)) == expected[part]
                for group, expected in self._expected(length, groups)
                for part in (slice(None, rows), slice(-rows, None))
            )
            self.tried[rows, length] = found
        return found

    def _expected(self, length: int, groups: list[np.ndarray]) -> list[tuple[np.ndarray, list[bytes]]]:
        """A full group and the one that is left over stand for all of one length: these are their two sizes."""
        if length not in self.expected:
            chosen = groups[:1] if len(groups) == 1 else [groups[0], groups[-1]]
            self.expected[length] = [(group, _digests(self.reader.read(self.cut, group))) for group in chosen]
        return self.expected[length]

    def _whole(self, indices: np.ndarray, groups: list[np.ndarray]) -> Tensor:
        """The states, from all groups that hold some of the examples."""
        states: list[Tensor | None] = [None] * len(indices)
        for group in groups:
            wanted = np.flatnonzero(np.isin(indices, group))
            if len(wanted):
                found = self.reader.read(self.cut, group)
                for row in wanted:
                    states[row] = found[int(np.flatnonzero(group == indices[row])[0])]
        return torch.stack([state for state in states if state is not None])


def arithmetic(device: torch.device) -> dict[str, object]:
    """What the last bits of a matrix product depend on besides its numbers and the versions of the libraries."""
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    return {"threads": torch.get_num_threads(), "settings": settings, "processor": _processor()}


def filled(rows: int) -> int:
    """So many rows, filled up to a multiple of ``ROWS``."""
    return -(-rows // ROWS) * ROWS


@functools.cache
def _processor() -> list[str]:
    """Its kind, as Linux tells it; elsewhere only its architecture and the instructions that torch uses."""
    told = [platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return told
    kinds = ("vendor_id", "cpu family", "model", "flags", "CPU part", "Features")
    return told + sorted({line for line in lines if line.startswith(kinds)})


def _digests(states: Tensor) -> list[bytes]:
    """One per example."""
    rows = states.detach().cpu().contiguous().flatten(1).view(torch.uint8).numpy()
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]
