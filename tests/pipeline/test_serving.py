"""A prediction's time is measured once, beside the artefact, and threads are put back."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch

from dianji.artefact.opened import Model
from dianji.artefact.probe import Probe
from dianji.pipeline import serving
from dianji.store.steps import Store


def test_measured_alone_on_one_thread_and_kept(tmp_path, monkeypatch):
    asked: list[tuple[int, int]] = []
    rows = pa.table({"text": [f"row {number}" for number in range(7)]})

    def predict(row: pa.Table) -> None:
        asked.append((row.num_rows, torch.get_num_threads()))

    monkeypatch.setattr(Model, "open", lambda folder: SimpleNamespace(folder=folder, predict=predict))
    monkeypatch.setattr(Probe, "read", lambda folder: SimpleNamespace(rows=rows))
    before = torch.get_num_threads()
    step = Store(tmp_path).step("a" * 32)
    found = serving.milliseconds(step, step.artefact)
    assert 0 < found < 1000
    assert asked == [(1, serving.THREADS)] * (serving.WARM_UP + serving.COUNTED)
    assert torch.get_num_threads() == before
    assert serving.milliseconds(step, step.artefact) == found
    assert len(asked) == serving.WARM_UP + serving.COUNTED
    kept = step.folder / "serving.json"
    assert json.loads(kept.read_text())["threads"] == serving.THREADS
    step.forget()
    assert not kept.exists()


def test_size_counts_every_file(tmp_path):
    step = Store(tmp_path).step("a" * 32)
    (step.artefact / "evidence").mkdir(parents=True)
    (step.artefact / "model.safetensors").write_bytes(b"12345")
    (step.artefact / "evidence" / "test.json").write_bytes(b"123")
    assert serving.size(step) == 8


@pytest.mark.parametrize("threads", [2])
def test_threads_are_put_back_after_a_failure(threads):
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="no"), serving._threads(threads):
        raise ValueError("no")
    assert torch.get_num_threads() == before
