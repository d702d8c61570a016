"""Labels of 10,000 short texts by a fine-tuned all-MiniLM-L6-v2: Dianji, transformers, sentence-transformers.

Dianji and sentence-transformers compute in bf16, the pipeline as it does by default. All have opened their model, hold
the texts in memory and have predicted some before the clock starts. Dianji and sentence-transformers open the same
artefact. transformers' pipeline cannot read its head and gets the same encoder with an untrained head of its own
architecture, which costs the same; batches of 64, all else as documented.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from suite.process import peak_mb
from suite.sets import minilm, read
from suite.texts import MINILM, lengths

BATCH = 64
WARM_UP = 256
LABELS = 77
MOST = 10_000
#: The pipeline is slow; a third of the texts tells as much.
FEWER = {"pipeline": 3000}
COMPARED = 2000  # labels that are held against each other

Predict = Callable[[list[str]], list[str]]


def prepare(data: Path, folder: Path) -> dict[str, Any]:
    """Fine-tune for some steps and save what each side opens."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from suite import ours

    source = data / "questions"
    stage = {"task": "text-classification", "train": {"steps": 120, "evaluate_every": 10**6}}
    split = {"train": source / "train.csv", "validation": source / "few.csv", "test": source / "few.csv"}
    done = ours.train(stage, "minilm", split, folder, 7)
    done.stage.artefact.rename(data / "artefact")
    native = AutoModelForSequenceClassification.from_pretrained(minilm(), num_labels=LABELS)
    native.save_pretrained(data / "native")
    AutoTokenizer.from_pretrained(minilm()).save_pretrained(data / "native")
    return {"accuracy": done.stage.metrics["test"]["accuracy"].value}


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One side; the artefact is made by ``prepare``."""
    texts = [text for name in ("all", "test") for text, _ in read(data / "questions" / f"{name}.csv")][:MOST]
    if not full:
        texts = texts[: FEWER.get(side, MOST)]
    predict = SIDES[side](data)
    predict(texts[:WARM_UP])
    began = time.perf_counter()
    labels = predict(texts)
    seconds = time.perf_counter() - began
    return {
        "rate": len(texts) / seconds,
        "samples": len(texts),
        "seconds": seconds,
        "flops": MINILM.forward(lengths([(text, "") for text in texts])),
        "peak_mb": peak_mb(),
        "labels": labels[:COMPARED],
    }


def dianji(data: Path) -> Predict:
    from dianji.artefact.opened import Model

    model = Model.open(data / "artefact", precision="bf16")
    return lambda texts: [prediction.label for prediction in model.predict(texts)]


def sentence_transformers(data: Path) -> Predict:
    """The chain gives logits; in bf16."""
    import torch
    from sentence_transformers import SentenceTransformer

    from dianji.artefact.opened import Model

    labels = Model.open(data / "artefact").task.labels
    model = SentenceTransformer(str(data / "artefact"), device="cpu", model_kwargs={"dtype": torch.bfloat16})

    def predict(texts: list[str]) -> list[str]:
        logits = model.encode(texts, batch_size=BATCH, show_progress_bar=False)
        return [labels[number] for number in logits.argmax(axis=1)]

    return predict


def pipeline(data: Path) -> Predict:
    from transformers import pipeline as make

    model = make("text-classification", model=str(data / "native"), device="cpu")
    return lambda texts: [found["label"] for found in model(texts, batch_size=BATCH, truncation=True)]


def loop(data: Path) -> Predict:
    """What a few lines of PyTorch do: sorted by length, batches, bf16 autocast where the CPU is built for it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from dianji.artefact.opened import Model
    from dianji.engine.runtime import cpu_has_bf16

    opened = Model.open(data / "artefact")
    labels, head = opened.task.labels, opened.network.classifier
    tokenizer = AutoTokenizer.from_pretrained(data / "artefact")
    backbone = AutoModel.from_pretrained(data / "artefact").eval()

    @torch.inference_mode()
    def predict(texts: list[str]) -> list[str]:
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found = [""] * len(texts)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer([texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
                hidden = backbone(**batch).last_hidden_state
            weight = batch["attention_mask"].unsqueeze(-1).float()
            logits = head((hidden.float() * weight).sum(1) / weight.sum(1))
            for row, number in zip(rows, logits.argmax(-1).tolist(), strict=True):
                found[row] = labels[number]
        return found

    return predict


SIDES: Mapping[str, Callable[[Path], Predict]] = {
    "dianji": dianji,
    "sentence-transformers": sentence_transformers,
    "pipeline": pipeline,
    "loop": loop,
}
