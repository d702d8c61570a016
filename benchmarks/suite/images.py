"""A new residual network on pictures of clothes: Dianji, and a plain PyTorch loop over a DataLoader at its best.

The loop's pictures are resized beforehand and lie in memory, the fastest data set there is; flips, crops and the
normalisation are the data set's, as tutorials have it. At its best: bf16 autocast, channels last, fused AdamW, and the
number of loader processes that is the fastest here.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from suite.process import peak_mb, sampled

BATCH, RATE, DECAY, WARMUP, EPOCHS = 128, 3e-3, 0.01, 0.06, 12
MOVE = 4  # pixels; a fourteenth, as Dianji crops
WARM_UP = 3  # batches


def measure(work: str, side: str, data: Path, folder: Path, seed: int, *, full: bool) -> dict[str, Any]:
    """One side; ``full``: several epochs."""
    source = data / "clothes"
    epochs = EPOCHS if full else 1
    if side == "dianji":
        return _ours(source, folder, seed, epochs)
    return _theirs(source, seed, epochs, workers=int(side.rpartition(" ")[0].rpartition(" ")[2]))


def _ours(source: Path, folder: Path, seed: int, epochs: int) -> dict[str, Any]:
    from suite import ours

    train = {
        "batch_size": BATCH,
        "learning_rate": RATE,
        "head_learning_rate": RATE,
        "epochs": float(epochs),
        "evaluate_every": 10**6,
    }
    stage = {"task": "image-classification", "train": train}
    names = {"train": "train", "validation": "few", "test": "held"}
    split = {part: source / f"{name}.parquet" for part, name in names.items()}
    done = ours.train(stage, {"new": "resnet"}, split, folder, seed)
    clock = done.clock
    samples = len(clock.steps) * BATCH / epochs
    scores = done.stage.metrics["test"]
    return {
        **_speed(samples, clock.per_step * len(clock.steps) / epochs, _prepared(source)[2]),
        "peak_mb": clock.peak,
        "helpers_mb": done.helpers_mb,
        "loss": scores["log-loss"].value,
        "accuracy": scores["accuracy"].value,
    }


def _theirs(source: Path, seed: int, epochs: int, workers: int) -> dict[str, Any]:
    import torch
    from torch.utils.data import DataLoader, Dataset
    from transformers import AutoModelForImageClassification, get_linear_schedule_with_warmup

    (train, targets), (held, truth), config, normalise = _prepared(source)

    class Pictures(Dataset[Any]):
        def __len__(self) -> int:
            return len(train)

        def __getitem__(self, index: int) -> Any:
            picture = train[index]
            padded = torch.nn.functional.pad(picture, (MOVE, MOVE, MOVE, MOVE))
            top, left = torch.randint(0, 2 * MOVE + 1, (2,)).tolist()
            moved = padded[:, top : top + picture.shape[1], left : left + picture.shape[2]]
            return normalise(moved.flip(-1) if torch.rand(()) < 0.5 else moved), targets[index]

    torch.manual_seed(seed)
    loader = DataLoader(
        Pictures(), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=False
    )
    model = AutoModelForImageClassification.from_config(config).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    steps = len(loader) * epochs
    schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
    bf16 = _has_bf16()

    def step(pictures: Any, labels: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(pictures.to(memory_format=torch.channels_last)).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()

    model.train()
    ended: list[float] = []
    with sampled() as sample:
        for _ in range(epochs):
            for pictures, labels in loader:
                step(pictures, labels)
                ended.append(time.perf_counter())
    seconds = (ended[-1] - ended[WARM_UP - 1]) / (len(ended) - WARM_UP) * len(loader)
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(normalise(held[at : at + BATCH])).logits for at in range(0, len(held), BATCH)])
    return {
        **_speed(len(loader) * BATCH, seconds, config),
        "peak_mb": peak_mb(),
        "helpers_mb": sample.highest,
        "loss": float(torch.nn.functional.cross_entropy(logits, truth)),
        "accuracy": float((logits.argmax(-1) == truth).float().mean()),
    }


def _prepared(source: Path) -> Any:
    """Pictures as bytes at the size that the base works at, labels as numbers, its configuration, its normalisation."""
    import pyarrow.parquet as pq
    import torch

    from dianji.bases.resolve import resolve
    from dianji.data.read import rows
    from dianji.spec.sections import NewBase
    from dianji.tasks import _images
    from dianji.tasks.image_classification import ImageClassification

    task = ImageClassification()
    tables = {
        name: rows(str(source / f"{name}.parquet"), task.columns, need_targets=True) for name in ("train", "held")
    }
    base = resolve(NewBase(new="resnet"), "image").prepare(tables["train"])
    labels = sorted(set(pq.read_table(source / "train.parquet", columns=["label"])["label"].to_pylist()))
    base.config.num_labels = len(labels)
    mean, deviation = (torch.tensor(of).view(3, 1, 1) for of in (base.processor.image_mean, base.processor.image_std))

    def normalise(pictures: Any) -> Any:
        return (pictures.float() / 255 - mean) / deviation

    def made(table: Any) -> Any:
        targets = torch.tensor([labels.index(label) for label in table["label"].to_pylist()])
        examples = task.fit(table).encode(table, base)
        return torch.from_numpy(_images.pixels(examples).copy()), targets

    return made(tables["train"]), made(tables["held"]), base.config, normalise


def _speed(samples: float, seconds: float, config: Any) -> dict[str, Any]:
    """FLOPs as torch counts them: products and convolutions of one picture, three times for forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForImageClassification

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        AutoModelForImageClassification.from_config(config).eval()(torch.zeros(1, 3, 56, 56))
    flops = 3.0 * counter.get_total_flops() * samples
    return {"rate": samples / seconds, "samples": round(samples), "seconds": seconds, "flops": flops}


def _has_bf16() -> bool:
    from dianji.engine.runtime import cpu_has_bf16

    return bool(cpu_has_bf16())
