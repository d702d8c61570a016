"""Artefacts to report on, written without a model: a report reads evidence, and needs no weights."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.artefact.manifest import Manifest, Parent, versions
from dianji.artefact.record import Record
from dianji.data.content import examine
from dianji.data.read import load
from dianji.data.report import with_token_lengths
from dianji.evaluate.bootstrap import estimates
from dianji.evaluate.classes import per_class
from dianji.evaluate.labelled import Classified, Tagged
from dianji.evaluate.outcome import Outcome
from dianji.registry import record_of
from dianji.results import metrics_to_json
from dianji.spec.sections import Recipe
from dianji.store.atomic import write_json
from dianji.tasks.text_classification import TextClassification

#: What data may hold, and what no page may take at its word.
HOSTILE = "<script>alert('x')</script> | `code` $a_b$ <b>&amp; \u202e\x0b 我的卡"
LABELS = ("card|<i>", "login & 'quote'", "退款 $x$")


def texts(path: Path, rows: int = 300) -> Path:
    """A table of texts with labels in three languages; the labels of texts are told by what they begin with."""
    phrases = ("where is my card", "I cannot log in to this", "我想要退款，请快一点")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "intent"])
        for row in range(rows):
            tail = HOSTILE if row % 5 == 0 else "and more " * (row % 7)
            writer.writerow([f"{phrases[row % 3]} {row} {tail}", LABELS[row % 3]])
    return path


def artefact(folder: Path, data: Path, *, several: bool = False, wrong: float = 0.2) -> Path:
    """What a stage would have left that learnt from ``data`` and is wrong in that share of rows."""
    recipe = Recipe.parse(
        {
            "name": "desk",
            "seed": 3,
            "base": "minilm",
            "data": {"intents": {"path": str(data), "columns": {"text": "query", "label": "intent"}}},
            "stages": {"intent": {"task": "text-classification", "data": "intents"}},
        }
    )
    columns = TextClassification().columns
    loaded = load(recipe.data["intents"], columns, seed=recipe.seed, name="intents")
    outcomes = {split: _outcome(loaded.splits[split], several, wrong) for split in ("validation", "test")}
    evidence = folder / "evidence"
    evidence.mkdir(parents=True)
    write_json(evidence / "recipe.json", recipe.to_json())
    lengths = {split: np.arange(table.num_rows) + 5 for split, table in loaded.splits.items()}
    write_json(evidence / "data.json", with_token_lengths(loaded.report, lengths))
    write_json(evidence / "metrics.json", _measured(outcomes))
    cost = {"train_seconds": 1.5, "samples_per_second": 80.0, "peak_memory_mb": 512.0}
    write_json(evidence / "cost.json", {**cost, "parameters": 1000, "trainable_parameters": 100})
    (evidence / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in _events()))
    for split, outcome in outcomes.items():
        Record(outcome, examine(loaded.splits[split], columns).order).write(evidence, split)
    _manifest(loaded.digest).write(folder)
    return folder


def rewrite(folder: Path, **changes: Any) -> None:
    """Change the manifest, and make it true to the files again."""
    replace(Manifest.read(folder), **changes).write(folder)


def _outcome(table: pa.Table, several: bool, wrong: float) -> Outcome:
    target = np.array([LABELS.index(label) for label in table["label"].to_pylist()])
    rng = np.random.default_rng(0)
    given = np.where(rng.random(len(target)) < wrong, (target + 1) % 3, target)
    sure = rng.uniform(0.5, 0.99, len(target))
    probabilities = np.full((len(target), 3), 1.0)
    probabilities *= ((1 - sure) / 2)[:, None]
    probabilities[np.arange(len(target)), given] = sure
    if several:
        return Tagged(LABELS, np.eye(3, dtype=bool)[target], probabilities.astype(np.float32))
    return Classified(LABELS, target, probabilities.astype(np.float32))


def _measured(outcomes: Mapping[str, Any]) -> dict[str, Any]:
    names = ("accuracy", "macro-f1", "expected-calibration-error")
    measured = {split: estimates(names, outcome, 100, 0) for split, outcome in outcomes.items()}
    return {
        "metrics": metrics_to_json(measured),
        "baselines": {"majority": metrics_to_json(measured)},
        "classes": {split: per_class(outcome, 100, 0) for split, outcome in outcomes.items()},
    }


def _events() -> list[dict[str, Any]]:
    steps = [{"event": "step", "step": step, "epoch": step / 20, "loss": 2.0 / step} for step in range(1, 41)]
    return [*steps, *({"event": "evaluation", "step": step, "epoch": step / 20, "accuracy": 0.7} for step in (20, 40))]


def _manifest(digest: str) -> Manifest:
    return Manifest(
        recipe="desk",
        stage="intent",
        digest="d" * 32,
        seed=3,
        task=record_of(TextClassification(labels=LABELS)),
        adaptation={"name": "full@1", "arguments": {}},
        techniques=[{"name": "early-stopping@1", "arguments": {"patience": 3}}],
        base={"name": "minilm", "architecture": "bert", "licence": "apache-2.0"},
        parents=[Parent("base", "minilm", "b" * 32)],
        data={"intents": digest},
        training={"seconds": 1.5, "samples": 120, "steps": 40, "stop_reason": "budget used up"},
        versions=versions(),
    )
