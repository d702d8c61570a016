"""The examples on public data sets: each has no faults, and finds the rows that its comments speak of."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from dianji.pipeline.plan import schedule
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
ROWS = {
    "cmrc2018": {"answer": (2897, 322, 1000)},
    "xquad": {"answer": (836, 121, 233)},
    "stsb": {"embed": (5749, 1500, 1379)},
    "stsb-pairs": {"similarity": (5749, 1500, 1379)},
    "wnut17": {"entities": (3394, 1009, 1287)},
    "multi30k-en-de": {"translate": (29000, 1014, 1000)},
}

pytestmark = pytest.mark.real


@pytest.mark.parametrize("name", ROWS)
def test_an_example_is_planned(name, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("DIANJI_DATA", str(data_root))
    planned = schedule(Recipe.load(EXAMPLES / f"{name}.yaml"), Store(tmp_path / "store"))
    assert planned.waiting == ()
    for work in planned.works:
        if work.name in ROWS[name]:
            rows = tuple(work.data.splits[split].num_rows for split in ("train", "validation", "test"))
            assert rows == ROWS[name][work.name]
        assert not [warning for warning in work.data.warnings if "share the context" in warning]


def test_turns_of_dialogues_serve_both_parts(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("DIANJI_DATA", str(data_root))
    example = EXAMPLES / "dialogues"
    subprocess.run(
        [sys.executable, example / "generate.py", "--out", tmp_path / "data"], check=True, capture_output=True
    )
    lines = (tmp_path / "data/turns.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 9058
    assert {"FindRestaurants", "AFFIRM"} <= {row["intent"] for row in rows}
    named = [row["text"][span["start"] : span["end"]] for row in rows for span in row["spans"]]
    assert "San Jose" in named
    shutil.copy(example / "recipe.yaml", tmp_path)
    (work,) = schedule(Recipe.load(tmp_path / "recipe.yaml"), Store(tmp_path / "store")).works
    intents, slots = (part.data.splits for part in work.parts.values())
    for split in ("train", "validation", "test"):
        assert intents[split]["text"].to_pylist() == slots[split]["text"].to_pylist()
    assert not [warning for warning in work.data.warnings if "share a base" in warning]
