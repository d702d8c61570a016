"""Scored pairs of STS-B on all-MiniLM-L6-v2: CoSENT over cosines of averaged tokens, everything learns."""

from __future__ import annotations

import csv
import gc
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _tools import DATA, need

from suite import trainer
from suite.process import peak_mb, sampled
from suite.sets import minilm

#: As Dianji fills them in for this base and so many rows.
RATE, EPOCHS, BATCH = 2e-4, 6, 64
#: sentence-transformers' own: for the speed as Dianji trains, for the quality as its documentation does (Reimers).
THEIR_RATE, THEIR_EPOCHS, THEIR_BATCH = 2e-5, 4, 16
FILES = {"train": "train", "validation": "dev", "test": "test"}
Pairs = list[tuple[str, str, float]]


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One epoch; ``full``: to the end, each side with its own defaults, and scored on the test file."""
    if side == "dianji":
        return _ours(folder, seed, full=full)
    return _theirs(trainer.SETTINGS[side].arguments, folder, seed, full=full)


def read(split: str) -> Pairs:
    """Both sentences and their score from 0 to 5."""
    path = need(DATA / "stsb_multi/data" / f"stsb-en-{FILES[split]}.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return [(one, other, float(score)) for one, other, score in csv.reader(file)]


def _ours(folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    from suite import ours

    files = {split: folder / f"{split}.csv" for split in ("train", "validation", "test")}
    for split, path in files.items():
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "other", "score"), *read(split)])
    train: dict[str, Any] = {}
    if not full:
        steps = math.ceil(len(read("train")) / BATCH)
        train = {"steps": steps, "batch_size": BATCH, "evaluate_every": 10**6, "learning_rate": RATE}
    stage = {"task": {"sentence-embedding": {"form": "scored-pairs"}}, "train": train}
    done = ours.train(stage, "minilm", files, folder, seed)
    scores = {"spearman": done.stage.metrics["test"]["spearman"].value}
    memory = {"peak_mb": done.clock.peak, "helpers_mb": done.helpers_mb}
    if full:
        cost = done.stage.cost
        return {"rate": cost.samples_per_second, "seconds": cost.train_seconds, **memory, **scores}
    seconds = done.clock.per_step * len(done.clock.steps)
    return {"rate": len(read("train")) / seconds, "seconds": seconds, **memory, **scores}


def _theirs(arguments: Mapping[str, Any], folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    _trained(arguments, folder, seed, {"max_steps": trainer.WARM_UP}, full=full)
    gc.collect()
    budget = {"num_train_epochs": THEIR_EPOCHS if full else 1}
    model, seconds, helpers = _trained(arguments, folder, seed, budget, full=full)
    rows = len(read("train")) * budget["num_train_epochs"]
    return {
        "rate": rows / seconds,
        "seconds": seconds,
        "peak_mb": peak_mb(),
        "helpers_mb": helpers,
        "spearman": _spearman(model),
    }


def _trained(
    arguments: Mapping[str, Any], folder: Path, seed: int, budget: Mapping[str, Any], *, full: bool
) -> tuple[Any, float, float]:
    """The model, and the seconds from the beginning of training to the end of its last step."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import CoSENTLoss
    from transformers import set_seed

    set_seed(seed)
    one, other, score = zip(*read("train"), strict=True)
    rows = Dataset.from_dict({"one": list(one), "other": list(other), "score": [value / 5 for value in score]})
    model, clock = SentenceTransformer(str(minilm()), device="cpu"), trainer.stopwatch()
    told = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        seed=seed,
        learning_rate=THEIR_RATE if full else RATE,
        weight_decay=trainer.DECAY,
        warmup_steps=0.1 if full else trainer.WARMUP,
        per_device_train_batch_size=THEIR_BATCH if full else BATCH,
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        **budget,
        **{name: value for name, value in arguments.items() if name != "train_sampling_strategy"},
    )
    made = SentenceTransformerTrainer(
        model=model, args=told, train_dataset=rows, loss=CoSENTLoss(model), callbacks=[clock]
    )
    with sampled() as sample:
        made.train()
    return model, clock.ended - clock.began, sample.highest


def _spearman(model: Any) -> float:
    from scipy.stats import spearmanr

    one, other, score = zip(*read("test"), strict=True)
    vectors = [model.encode(list(of), normalize_embeddings=True) for of in (one, other)]
    return float(spearmanr((vectors[0] * vectors[1]).sum(axis=1), score).statistic)
