"""Fills training values that a recipe leaves open, from the base, the adaptation and the number of rows.

The learning rate for full fine-tuning of a pre-trained transformer falls with the square of its width: 2e-4 at 384
(measured on BANKING77 with all-MiniLM-L6-v2), which gives 5e-5 at 768 and 2.8e-5 at 1024, the values that Devlin et al.
(2019, arXiv:1810.04805, A.3) recommend for BERT-base and -large. It does not rise for narrower ones when labels are
learnt: the pre-trained weights must survive the first steps of a new head.
"""

from __future__ import annotations

import math

from dianji.adapt.base import Adaptation
from dianji.bases.base import Card
from dianji.registry import REGISTRY
from dianji.spec.sections import Train
from dianji.tasks.base import Task

TRANSFORMER = 5e-4  # learning rate of a small transformer from scratch
#: Learning rates of other new architectures, by model type. Normalised convolutions stand large steps.
NEW = {"dianji-image-cnn": 3e-3, "resnet": 3e-3, "dianji-lstm": 1e-3, "dianji-cnn": 1e-3}
ENOUGH_STEPS = 400  # fine-tuning on few rows needs more epochs to reach so many steps
MOST_EPOCHS = 30


def fill(train: Train, task: Task, card: Card, adaptation: Adaptation, rows: int) -> Train:
    """``train`` with every open value written out. Values in the recipe are never changed.

    Args:
        train: as the recipe has it.
        task: a task with targets gets small batches and several epochs, a self-supervised one a token budget.
        card: of the base the stage starts from.
        adaptation: multiplies the learning rate, which is the optimizer's own where it does not step like Adam.
        rows: of the training split.
    """
    supervised, usual = task.supervised, task.usual(rows, card)
    filled: dict[str, object] = {}
    if train.batch_size is None and train.batch_tokens is None:
        by_size = {key: usual[key] for key in ("batch_size", "batch_tokens") if key in usual}
        filled |= by_size or ({"batch_size": _batch(rows)} if supervised else {"batch_tokens": _tokens(rows)})
    batch = train.batch_size or filled.get("batch_size") or 64
    if train.epochs is None and train.steps is None and train.minutes is None:
        few = 3.0 if card.pretrained else 10.0
        many = _epochs(rows, int(str(batch)) * train.accumulate, card) if supervised else few
        filled["epochs"] = usual.get("epochs", many)
    own = REGISTRY.get("optimizer", train.optimizer.name).default_learning_rate
    suited = own or usual.get("learning_rate") or _rate(card, supervised)
    rate = train.learning_rate or suited * adaptation.learning_rate_factor
    filled["learning_rate"] = rate
    if train.head_learning_rate is None:
        filled["head_learning_rate"] = _head_rate(rate, card, adaptation, supervised)
    others = {key: value for key, value in usual.items() if key not in _HERE and _is_default(train, key)}
    return train.model_copy(update={**others, **filled})


#: Keys of ``Task.usual`` that ``fill`` weighs against each other; all others are taken where the recipe is silent.
_HERE = frozenset({"batch_size", "batch_tokens", "epochs", "learning_rate"})


def _is_default(train: Train, key: str) -> bool:
    return key not in train.model_fields_set


def _batch(rows: int) -> int:
    if rows >= 4000:
        return 64
    return 32 if rows >= 1000 else 16


def _tokens(rows: int) -> int:
    """The token budget of a batch: little text gives few steps, and smaller batches give more of them."""
    return 4096 if rows >= 10_000 else 2048


def _epochs(rows: int, batch: int, card: Card) -> float:
    least = 6 if card.pretrained else 12
    per_epoch = max(1, math.ceil(rows / batch))
    return float(min(MOST_EPOCHS, max(least, math.ceil(ENOUGH_STEPS / per_epoch))))


def _rate(card: Card, supervised: bool) -> float:
    if card.pretrained:
        return 2e-4 * min(1.0 if supervised else 4.0, (384 / card.width) ** 2)
    return NEW.get(card.architecture, TRANSFORMER)


def _head_rate(rate: float, card: Card, adaptation: Adaptation, supervised: bool) -> float:
    """The head's rate: a new head on a pre-trained trunk may move ten times as fast, with a cap for Adam."""
    if not (supervised and card.pretrained):
        return rate
    return max(rate, min(10 * rate / adaptation.learning_rate_factor, 5e-3))
