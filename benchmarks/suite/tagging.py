"""Entities of WNUT17 on all-MiniLM-L6-v2: a linear layer over the first token of each word, everything learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from _tools import DATA, need

from suite import trainer
from suite.flops import BACKWARD
from suite.sets import minilm
from suite.texts import MINILM

#: As Dianji fills them in for this base and so many rows.
RATE, HEAD_RATE, EPOCHS, BATCH, LENGTH = 2e-4, 2e-3, 6, 32, 128
FILES = {"train": "wnut17train.conll", "validation": "emerging.dev.conll", "test": "emerging.test.annotated"}
Sentences = list[tuple[list[str], list[str]]]


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One epoch; ``full``: with Dianji's defaults, or as many epochs, to the end and scored on the test file."""
    if side == "dianji":
        return _ours(folder, seed, full=full)
    return _theirs(trainer.SETTINGS[side], folder, seed, full=full)


def files() -> dict[str, Path]:
    """Split -> file."""
    return {split: need(DATA / "wnut17" / name) for split, name in FILES.items()}


def read(path: Path) -> Sentences:
    """Words and tags, sentence by sentence."""
    found: Sentences = [([], [])]
    for line in [*path.read_text(encoding="utf-8").split("\n"), ""]:
        if line.strip():
            word, tag = line.rsplit("\t", 1)
            found[-1][0].append(word)
            found[-1][1].append(tag.strip())
        elif found[-1][0]:
            found.append(([], []))
    return found[:-1]


def _ours(folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    from suite import ours

    train: dict[str, Any] = {}
    if not full:
        steps = math.ceil(len(read(files()["train"])) / BATCH)
        rates = {"learning_rate": RATE, "head_learning_rate": HEAD_RATE}
        train = {"steps": steps, "batch_size": BATCH, "evaluate_every": 10**6, **rates}
    stage = {"task": "sequence-tagging", "train": train}
    done = ours.train(stage, "minilm", files(), folder, seed)
    f1 = {split: done.stage.metrics[split]["span-f1"].value for split in ("validation", "test")}
    scores = {"f1": f1["test"], "validation_f1": f1["validation"]}
    memory = {"peak_mb": done.clock.peak, "helpers_mb": done.helpers_mb}
    if full:
        cost = done.stage.cost
        return {"rate": cost.samples_per_second, "seconds": cost.train_seconds, **memory, **scores}
    rows = len(read(files()["train"]))
    return {**_speed(rows, done.clock.per_step * len(done.clock.steps)), **memory, **scores}


def _theirs(setting: trainer.Setting, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
    )

    tokenizer = AutoTokenizer.from_pretrained(minilm())
    splits = {split: read(path) for split, path in files().items()}
    names = sorted({tag for _, tags in splits["train"] for tag in tags})
    job = trainer.Job(
        model=lambda: AutoModelForTokenClassification.from_pretrained(minilm(), num_labels=len(names)),
        rows=examples(tokenizer, splits["train"], names),
        collator=DataCollatorForTokenClassification(tokenizer),
        batch=setting.batch or BATCH,
        rate=RATE,
        head_rate=HEAD_RATE,
        seed=seed,
    )
    epochs = float(EPOCHS) if full else 1.0
    done = trainer.train(job, setting.arguments, folder, steps=0 if full else setting.steps, epochs=epochs)
    f1 = {split: score(done.model.cpu(), tokenizer, splits[split], names) for split in ("validation", "test")}
    memory = {"peak_mb": done.peak_mb, "helpers_mb": done.helpers_mb}
    return {**_speed(done.samples, done.seconds), **memory, "f1": f1["test"], "validation_f1": f1["validation"]}


def examples(tokenizer: Any, sentences: Sentences, names: list[str]) -> list[dict[str, Any]]:
    """Tokenized beforehand; labels stand at the first token of each word."""
    encoded = tokenizer([words for words, _ in sentences], is_split_into_words=True, truncation=True, max_length=LENGTH)
    found = []
    for row, (_, tags) in enumerate(sentences):
        places = encoded.word_ids(row)
        first = [word is not None and word != before for word, before in zip(places, [None, *places], strict=False)]
        labels = [names.index(tags[word]) if is_first else -100 for word, is_first in zip(places, first, strict=True)]
        ids, mask = encoded["input_ids"][row], encoded["attention_mask"][row]
        found.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return found


def score(model: Any, tokenizer: Any, sentences: Sentences, names: list[str]) -> float:
    """Entity F1 by seqeval, of the likeliest tag of each word."""
    import torch
    from seqeval.metrics import f1_score
    from transformers import DataCollatorForTokenClassification

    collate, rows = DataCollatorForTokenClassification(tokenizer), examples(tokenizer, sentences, names)
    model.eval()
    given: list[list[str]] = []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            batch = collate([dict(row) for row in rows[start : start + 64]])
            best = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.argmax(-1)
            given += [
                [names[tag] for tag in row[labels != -100].tolist()]
                for row, labels in zip(best, batch["labels"], strict=True)
            ]
    gold = [tags[: len(row)] for (_, tags), row in zip(sentences, given, strict=True)]
    return float(f1_score(gold, given))


def _speed(samples: int, seconds: float) -> dict[str, Any]:
    """Of ``samples`` that are as long as the training rows are on average."""
    from transformers import AutoTokenizer

    rows = read(files()["train"])
    encoded = AutoTokenizer.from_pretrained(minilm())([words for words, _ in rows], is_split_into_words=True)
    tokens = [len(ids) for ids in encoded["input_ids"]]
    share = samples / len(tokens)
    flops = MINILM.training(tokens, BACKWARD["full"]) * share
    return {
        "rate": samples / seconds,
        "samples": samples,
        "seconds": seconds,
        "tokens": round(sum(tokens) * share),
        "flops": flops,
    }
