"""A plan says what its stages will take, and warns where this machine has less."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from dianji import verbs
from dianji.engine.forecast import Forecast
from dianji.pipeline import resource_forecast
from dianji.spec.sections import Recipe
from dianji.store.steps import Store

RECIPE = {
    "name": "toy",
    "base": {"new": "transformer", "layers": 2, "width": 16},
    "stages": {
        "domain": {"task": "masked-language", "data": "rows", "train": {"steps": 1}},
        "intent": {"task": "text-classification", "data": "rows", "train": {"steps": 1}},
    },
}


@pytest.fixture
def recipe(tmp_path):
    rows = "".join(f"my card number {number} is lost,{'ab'[number % 2]}\n" for number in range(40))
    (tmp_path / "rows.csv").write_text("text,label\n" + rows, encoding="utf-8")
    return Recipe.parse({**RECIPE, "data": {"rows": {"path": str(tmp_path / "rows.csv")}}})


def test_every_stage_is_told_although_its_parent_is_not_there(recipe, tmp_path):
    stages = verbs.check(recipe, store=Store(tmp_path / "store")).stages
    assert [stage.name for stage in stages] == ["domain", "intent"]
    assert all(stage.memory_mb is not None and 300 < stage.memory_mb < 3000 for stage in stages)


def test_a_machine_that_is_too_small_is_warned_of(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    monkeypatch.setattr(
        resource_forecast, "forecast", lambda load, process: Forecast(process, 5000.0, 10000.0, 2000.0, 0.0, 0.0, 100.0)
    )
    warnings = verbs.check(recipe, store=Store(tmp_path / "store")).warnings
    assert len([told for told in warnings if "weights 5,000, optimizer 10,000, step 2,000" in told]) == 2
    assert "gradient_checkpointing: true" in warnings[-1]


def test_what_cannot_be_told_is_left_out(recipe, tmp_path, monkeypatch):
    def fail(load, process):
        raise NotImplementedError("data dependent")

    monkeypatch.setattr(resource_forecast, "forecast", fail)
    assert [stage.memory_mb for stage in verbs.check(recipe, store=Store(tmp_path / "store")).stages] == [None, None]
