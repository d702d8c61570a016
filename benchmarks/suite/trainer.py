"""A training by transformers' Trainer, in the settings that Dianji is held against."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.process import peak_mb, sampled

WARM_UP = 5  # steps of a training that nobody times
DECAY, WARMUP, DROPOUT = 0.01, 0.06, 0.1  # as Dianji fills them in

DEFAULTS: Mapping[str, Any] = {"use_cpu": True}
BEST: Mapping[str, Any] = {
    "use_cpu": True,
    "bf16": True,
    "train_sampling_strategy": "group_by_length",
    "optim": "adamw_torch_fused",
    "dataloader_pin_memory": False,
}


@dataclass(frozen=True)
class Setting:
    """How the Trainer is used. ``steps`` 0: whole epochs, as batches differ in length by design."""

    arguments: Mapping[str, Any]
    batch: int | None = None  # None: that of the work, which is what Dianji uses
    padding: bool = False  # every text to the same 128 tokens
    steps: int = 0


ON_GPU: Mapping[str, Any] = {
    **{name: value for name, value in BEST.items() if not name.startswith(("use_cpu", "dataloader"))},
    "tf32": True,
    "dataloader_num_workers": 4,
    "dataloader_persistent_workers": True,
}
LOADER = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
SETTINGS: Mapping[str, Setting] = {
    "trainer padded": Setting(DEFAULTS, 8, padding=True, steps=20),
    "trainer defaults": Setting(DEFAULTS, 8, steps=80),
    "trainer best": Setting(BEST),
    "trainer best, 1 loader": Setting({**BEST, **LOADER}),
    "trainer best, fp32": Setting({**BEST, "bf16": False}),
    "trainer best on a GPU": Setting(ON_GPU),
    "trainer best on a GPU, compiled": Setting({**ON_GPU, "torch_compile": True}),
}


@dataclass(frozen=True)
class Job:
    """What a Trainer trains. ``model`` makes it anew, so that warming up leaves nothing behind."""

    model: Callable[[], Any]
    rows: list[dict[str, Any]]
    collator: Any
    batch: int
    rate: float
    head_rate: float
    seed: int


@dataclass(frozen=True)
class Trained:
    """The model and what it took, from the beginning of training to the end of its last step."""

    model: Any
    seconds: float
    samples: int
    peak_mb: float = field(default_factory=peak_mb)
    helpers_mb: float = 0.0


def train(job: Job, arguments: Mapping[str, Any], folder: Path, *, steps: int = 0, epochs: float = 1.0) -> Trained:
    """A few steps to warm up, then ``steps``, or else ``epochs``."""
    _once(job, arguments, folder, {"max_steps": WARM_UP})
    gc.collect()  # what warmed up must not count as memory of what is measured
    return _once(job, arguments, folder, {"max_steps": steps} if steps else {"num_train_epochs": epochs})


def _once(job: Job, arguments: Mapping[str, Any], folder: Path, budget: Mapping[str, Any]) -> Trained:
    from transformers import Trainer, TrainingArguments, set_seed

    class TwoRates(Trainer):
        def create_optimizer(self, model: Any = None) -> Any:
            if self.optimizer is None:
                kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
                self.optimizer = kind(groups(self.model, job.rate, job.head_rate), **options)
            return self.optimizer

    set_seed(job.seed)
    model, clock = job.model(), stopwatch()
    told = TrainingArguments(
        output_dir=str(folder),
        seed=job.seed,
        learning_rate=job.rate,
        weight_decay=DECAY,
        warmup_steps=WARMUP,
        per_device_train_batch_size=job.batch,
        remove_unused_columns=False,
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        **budget,
        **arguments,
    )
    trainer = TwoRates(model=model, args=told, train_dataset=job.rows, data_collator=job.collator, callbacks=[clock])
    with sampled() as sample:
        trainer.train()
    samples = trainer.state.global_step * job.batch
    if "num_train_epochs" in budget:
        samples = round(len(job.rows) * budget["num_train_epochs"])
    return Trained(model, clock.ended - clock.began, samples, helpers_mb=sample.highest)


def stopwatch() -> Any:
    """A callback of transformers' trainers: ``began`` when training does, ``ended`` after its last step."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_train_begin(self, *of: Any, **named: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *of: Any, **named: Any) -> None:
            self.ended = time.perf_counter()

    return Clock()


def groups(model: Any, rate: float, head_rate: float) -> list[dict[str, Any]]:
    """What learns: the head at its own rate; no decay on biases, norms and embeddings."""
    found: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        own = head_rate if name.startswith("classifier.") else rate
        decay = 0.0 if parameter.ndim == 1 or "embeddings" in name else DECAY
        found.setdefault((own, decay), []).append(parameter)
    return [{"params": of, "lr": own, "weight_decay": decay} for (own, decay), of in found.items()]
