"""Masked-language pre-training of a small encoder: Dianji, and transformers' ``run_mlm`` at its best.

``run_mlm`` joins all texts and cuts them into full blocks of 128 tokens, so that nothing is padded, and masks anew in
every batch. At its best: bf16, fused AdamW, and batches of as many tokens as Dianji takes rather than 8 blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from suite import trainer
from suite.flops import BACKWARD, Encoder
from suite.sets import NOVELS, read

PROBABILITY = 0.15


@dataclass(frozen=True)
class MaskedWork:
    """A pre-training that both sides do, on blocks of as many tokens, so many blocks a batch."""

    novels: str  # the set, which also says what is trained
    block: int
    batch: int
    rate: float = 5e-4
    epochs: int = 3  # to the end


WORKS: Mapping[str, MaskedWork] = {
    "masked": MaskedWork("novels", block=128, batch=32),
    "masked-110m-128": MaskedWork("novels-110m", block=128, batch=512, rate=1e-4),
    "masked-110m-512": MaskedWork("novels-110m", block=512, batch=128, rate=1e-4),
    "masked-tiny-32": MaskedWork("novels-tiny", block=32, batch=8),
    "masked-tiny-64": MaskedWork("novels-tiny", block=64, batch=4),
}


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One side; ``full``: several epochs."""
    of = WORKS[work]
    source = data / of.novels
    epochs = of.epochs if full else 1
    if side == "dianji":
        return _ours(of, source, folder, seed, epochs)
    return _theirs(of, source, folder, seed, epochs, trainer.SETTINGS[side].arguments)


def encoder(base: Path) -> Encoder:
    """The shape of what is trained."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(base)
    return Encoder(config.num_hidden_layers, config.hidden_size, config.intermediate_size, config.vocab_size)


def windows(texts: Iterable[int], block: int) -> list[int]:
    """Tokens of each window that Dianji cuts texts of so many tokens into: each has one more before and one behind."""
    lengths: list[int] = []
    for tokens in texts:
        whole, rest = divmod(tokens, block - 2)
        lengths += [block] * whole + ([rest + 2] if rest else [])
    return lengths


def _ours(work: MaskedWork, source: Path, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    from suite import ours

    train = {
        "batch_tokens": work.batch * work.block,
        "learning_rate": work.rate,
        "head_learning_rate": work.rate,
        "epochs": float(epochs),
        "evaluate_every": 10**6,
    }
    stage = {"task": {"masked-language": {"probability": PROBABILITY, "length": work.block}}, "train": train}
    split = {"train": source / "train.csv", "validation": source / "few.csv", "test": source / "held.csv"}
    done = ours.train(stage, NOVELS[work.novels].new, split, folder, seed)
    clock = done.clock
    seconds = clock.per_step * len(clock.steps) / epochs
    return {
        **_speed(source, windows(_tokens(source), work.block), seconds),
        "peak_mb": clock.peak,
        "helpers_mb": done.helpers_mb,
        "loss": math.log(done.stage.metrics["test"]["perplexity"].value),
    }


def _theirs(
    work: MaskedWork, source: Path, folder: Path, seed: int, epochs: int, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

    tokenizer = AutoTokenizer.from_pretrained(source / "base")
    config = AutoConfig.from_pretrained(source / "base")
    rows = _blocks(source / "train.csv", tokenizer, work.block)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=PROBABILITY)
    job = trainer.Job(
        model=lambda: AutoModelForMaskedLM.from_config(config),
        rows=rows,
        collator=collator,
        batch=work.batch,
        rate=work.rate,
        head_rate=work.rate,
        seed=seed,
    )
    done = trainer.train(job, arguments, folder, epochs=epochs)
    memory = {"peak_mb": done.peak_mb, "helpers_mb": done.helpers_mb}
    speed = _speed(source, [work.block] * len(rows), done.seconds / epochs)
    held = _blocks(source / "held.csv", tokenizer, work.block)
    return {**speed, **memory, "loss": _loss(done.model.cpu(), held, collator, work.batch)}


def _tokens(source: Path) -> list[int]:
    """Of each text, special ones left out."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source / "base")
    encoded = tokenizer([text for text, _ in read(source / "train.csv")], add_special_tokens=False)
    return [len(ids) for ids in encoded["input_ids"]]


def _blocks(path: Path, tokenizer: Any, block: int) -> list[dict[str, Any]]:
    """As ``run_mlm`` groups texts: joined with their special tokens, cut into full blocks, the rest dropped."""
    encoded = tokenizer([text for text, _ in read(path)], return_special_tokens_mask=True)
    ids, special = (list(chain(*encoded[name])) for name in ("input_ids", "special_tokens_mask"))
    return [
        {
            "input_ids": ids[start : start + block],
            "attention_mask": [1] * block,
            "special_tokens_mask": special[start : start + block],
        }
        for start in range(0, len(ids) // block * block, block)
    ]


def _speed(source: Path, lengths: list[int], seconds: float) -> dict[str, Any]:
    tokens = sum(lengths)
    flops = encoder(source / "base").training(lengths, BACKWARD["full"], masked=PROBABILITY)
    return {"rate": tokens / seconds, "samples": len(lengths), "seconds": seconds, "tokens": tokens, "flops": flops}


def _loss(model: Any, rows: list[dict[str, Any]], collator: Any, batch_size: int) -> float:
    """Mean over the masked tokens, in fp32 without dropout."""
    import torch

    torch.manual_seed(0)
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            batch = collator(rows[start : start + batch_size])
            masked = int((batch["labels"] != -100).sum())
            total += float(model(**batch).loss) * masked
            count += masked
    return total / count
