"""Peak memory is the system's figure, and can be started anew."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dianji.engine.memory import peak_mb, reset_peak, steady_memory

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available() or sys.platform != "linux", reason="is about main memory as Linux counts it"
)


def test_a_peak_is_seen_after_it_is_gone():
    reset_peak()
    before = peak_mb()
    block = np.ones(100 * 2**20, dtype=np.uint8)
    del block
    assert 90 < peak_mb() - before < 150


def test_a_new_start_forgets_it():
    block = np.ones(100 * 2**20, dtype=np.uint8)
    high = peak_mb()
    del block
    reset_peak()
    assert peak_mb() < high - 50


def test_without_the_list_of_the_system_there_is_still_a_figure(monkeypatch):
    def absent(path, *arguments):
        raise PermissionError(path)

    expected = peak_mb()
    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr(Path, "write_text", absent)
    reset_peak()
    assert peak_mb() > 0.5 * expected


def test_memory_that_a_step_kept_is_not_the_next_stages_peak():
    with steady_memory():
        before = peak_mb()
        for _ in range(6):
            blocks = [torch.ones(16, 2**20, dtype=torch.uint8) for _ in range(6)]
            del blocks
        assert peak_mb() - before < 400  # kept and used again; kept six times they are 576
    reset_peak()
    assert peak_mb() < before + 50


def test_the_collector_forgets_again_what_it_was_told_to_leave_alone():
    gc.unfreeze()
    with steady_memory():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    gc.freeze()  # as a program may that serves
    frozen, later = gc.get_freeze_count(), [[row] for row in range(100_000)]
    with steady_memory():
        assert gc.get_freeze_count() < frozen + len(later) / 2, "objects of the program were frozen too"
    assert gc.get_freeze_count() > frozen / 2, "the program's own freezing was undone"


def test_what_only_holds_itself_is_not_counted():
    class Knot:
        def __init__(self):
            self.block = np.ones(100 * 2**20, dtype=np.uint8)
            self.own = self

    gc.disable()
    try:
        knot = Knot()
        high = peak_mb()
        del knot
        reset_peak()
    finally:
        gc.enable()
    assert peak_mb() < high - 50
