"""Text classification on all-MiniLM-L6-v2: everything learns, the last layers, a LoRA, the head alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import trainer
from suite.flops import BACKWARD, Encoder, share_of
from suite.sets import minilm, read

MINILM = Encoder(layers=6, width=384, inner=1536)
PADDED, LENGTH = 128, 256  # tokens


@dataclass(frozen=True)
class TextWork:
    """A training that both sides do: the same rows, rates, decay, batch and seed.

    Args:
        rows: the set.
        adapt: in a recipe's words.
        backward: in forward passes, see ``suite.flops``.
        rate: of what is not the head.
        head_rate: of the head.
        epochs: to the end.
        batch: texts.
        amortised: what is computed once beforehand is shared by so many epochs.
        to_the_end: always measured so by Dianji, with the defaults of a recipe.
    """

    rows: str
    adapt: Any
    backward: float
    rate: float
    head_rate: float
    epochs: int
    batch: int = 64
    amortised: bool = False
    to_the_end: bool = False


RATE, HEAD_RATE = 2e-4, 2e-3
WORKS: Mapping[str, TextWork] = {
    "full": TextWork("questions", "full", BACKWARD["full"], RATE, HEAD_RATE, epochs=6),
    "long": TextWork("passages", "full", BACKWARD["full"], RATE, HEAD_RATE, epochs=6, batch=32),
    "last-layers": TextWork(
        "questions", {"last-layers": {"layers": 2}}, share_of(6, 2), RATE, HEAD_RATE, epochs=5, amortised=True
    ),
    "lora": TextWork("questions", {"lora": {"rank": 8}}, BACKWARD["lora"], 10 * RATE, 10 * RATE, epochs=6),
    "frozen": TextWork("questions", "frozen", BACKWARD["frozen"], 50 * RATE, 50 * RATE, epochs=10, to_the_end=True),
}


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One side of a work; ``full``: to the end on all rows, and scored on the test file."""
    of = WORKS[work]
    source = data / of.rows
    if side == "dianji":
        return _ours(of, source, folder, seed, full=full)
    return _theirs(of, trainer.SETTINGS[side], source, folder, seed, full=full)


def _ours(work: TextWork, source: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    from suite import ours

    whole = full or work.to_the_end
    train, test = _files(source, full=whole)
    budget: dict[str, Any] = {"batch_size": work.batch, "evaluate_every": 10**6, "epochs": float(work.epochs)}
    if not whole:
        # An epoch by its steps: with a budget of one epoch nothing would be kept for the others.
        del budget["epochs"]
        budget["steps"] = math.ceil(len(read(train)) / work.batch)
    if work.adapt == "frozen":
        budget = {}  # the default: a head that is fitted to its optimum
    else:
        budget |= {"learning_rate": work.rate, "head_learning_rate": work.head_rate}
    validation = source / "validation.csv" if whole and (source / "validation.csv").exists() else source / "few.csv"
    stage = {"task": "text-classification", "adapt": work.adapt, "train": budget}
    split = {"train": train, "validation": validation, "test": test}
    done = ours.train(stage, "minilm", split, folder, seed)
    rows, clock = read(train), done.clock
    once = {"peak_mb": clock.peak, "helpers_mb": done.helpers_mb, **_scores(done.stage.metrics["test"])}
    if work.to_the_end:  # features once, then the fit
        flops = MINILM.training(lengths(rows), BACKWARD["frozen"])
        return {"seconds": clock.whole, "samples": len(rows), "flops": flops, **once}
    epochs = work.epochs if whole else 1
    seconds = clock.per_step * len(clock.steps) / epochs  # of one epoch
    if work.amortised:
        seconds += clock.before_steps / work.epochs
        once["once_seconds"] = clock.before_steps
    return {**_speed(work, lengths(rows), len(rows), seconds), **once}


def _theirs(
    work: TextWork, setting: trainer.Setting, source: Path, folder: Path, seed: int, *, full: bool
) -> dict[str, Any]:
    from transformers import AutoTokenizer, DataCollatorWithPadding

    train, test = _files(source, full=full)
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    rows = read(train)
    labels = sorted({label for _, label in rows})

    def examples(of: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Tokenized beforehand, in memory: the fastest data set there is."""
        how = {"padding": "max_length", "max_length": PADDED} if setting.padding else {"max_length": LENGTH}
        encoded = tokenizer([text for text, _ in of], truncation=True, **how)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": labels.index(label)}
            for ids, mask, (_, label) in zip(encoded["input_ids"], encoded["attention_mask"], of, strict=True)
        ]

    collator = DataCollatorWithPadding(tokenizer)
    job = trainer.Job(
        model=lambda: model(work.adapt, len(labels)),
        rows=examples(rows),
        collator=collator,
        batch=setting.batch or work.batch,
        rate=work.rate,
        head_rate=work.head_rate,
        seed=seed,
    )
    epochs = float(work.epochs) if full else 1.0
    done = trainer.train(job, setting.arguments, folder, steps=0 if full else setting.steps, epochs=epochs)
    memory = {"peak_mb": done.peak_mb, "helpers_mb": done.helpers_mb}
    scores = _score(done.model.cpu(), examples(read(test)), collator)
    speed = _speed(work, lengths(rows), done.samples, done.seconds)
    if work.to_the_end:  # what so many epochs on all rows take, or took
        everything = len(read(source / "all.csv"))
        speed["seconds"] = done.seconds / done.samples * everything * work.epochs
        speed["measured_epochs"] = epochs * len(rows) / everything
    return {**speed, **memory, **scores}


def model(adapt: Any, labels: int) -> Any:
    """The mean of the tokens, dropout, a linear layer; what learns is what ``adapt`` says."""
    from torch import nn
    from transformers import AutoModel

    class MeanPooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = _adapted(AutoModel.from_pretrained(minilm()), adapt)
            self.dropout = nn.Dropout(trainer.DROPOUT)
            self.classifier = nn.Linear(MINILM.width, labels)
            nn.init.normal_(self.classifier.weight, std=0.02)
            nn.init.zeros_(self.classifier.bias)

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None) -> dict[str, Any]:
            hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).float()
            pooled = (hidden.float() * weight).sum(1) / weight.sum(1)
            logits = self.classifier(self.dropout(pooled))
            loss = nn.functional.cross_entropy(logits.float(), labels) if labels is not None else None
            return {"loss": loss, "logits": logits}

    return MeanPooled()


def _adapted(backbone: Any, adapt: Any) -> Any:
    if adapt == "full":
        return backbone
    if adapt == "frozen":
        return backbone.requires_grad_(False)
    ((name, arguments),) = adapt.items()
    if name == "last-layers":
        backbone.requires_grad_(False)
        for layer in backbone.encoder.layer[-arguments["layers"] :]:
            layer.requires_grad_(True)
        return backbone
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        backbone, LoraConfig(r=arguments["rank"], lora_alpha=16, lora_dropout=0.0, target_modules=["query", "value"])
    )


def _files(source: Path, *, full: bool) -> tuple[Path, Path]:
    """What to train and to test on."""
    names = ("all", "test") if full and (source / "all.csv").exists() else ("train", "held")
    return source / f"{names[0]}.csv", source / f"{names[1]}.csv"


def lengths(rows: list[tuple[str, str]]) -> list[int]:
    """Tokens of each text."""
    from transformers import AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(minilm())([text for text, _ in rows], truncation=True, max_length=LENGTH)
    return [len(ids) for ids in encoded["input_ids"]]


def _speed(work: TextWork, tokens: list[int], samples: int, seconds: float) -> dict[str, Any]:
    """Of ``samples`` that are as long as the rows are on average, which have so many tokens each."""
    share = samples / len(tokens)
    return {
        "rate": samples / seconds,
        "samples": samples,
        "seconds": seconds,
        "tokens": round(sum(tokens) * share),
        "flops": MINILM.training(tokens, work.backward) * share,
    }


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {"loss": metrics["log-loss"].value, "accuracy": metrics["accuracy"].value}


def _score(model: Any, examples: list[dict[str, Any]], collator: Any) -> dict[str, float]:
    """Log-loss and accuracy, in fp32 without dropout, as Dianji measures."""
    import torch

    model.eval()
    loss, hits = 0.0, 0
    with torch.inference_mode():
        ordered = sorted(examples, key=lambda one: len(one["input_ids"]))
        for start in range(0, len(ordered), 64):
            batch = collator(ordered[start : start + 64])
            found = model(**batch)
            loss += float(found["loss"]) * len(batch["labels"])
            hits += int((found["logits"].argmax(-1) == batch["labels"]).sum())
    return {"loss": loss / len(examples), "accuracy": hits / len(examples)}
