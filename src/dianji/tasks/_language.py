"""What language-modelling tasks share: scores of predicted tokens, windows back to rows, perplexity."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from dianji.evaluate.outcome import Modelled
from dianji.tasks._positions import logits_at
from dianji.tasks.base import Batch, Loss, Outputs

#: Batch entry (batch, time): the token to be predicted at each position, or IGNORED.
TARGET = "labels"
IGNORED = -100

METRICS = ("perplexity", "token-accuracy")
LENGTH = 128  # tokens in a window, unless the recipe says otherwise or the base takes fewer


def inputs_of(batch: Batch) -> Batch:
    """What of a batch the model takes."""
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def loss(model: torch.nn.Module, batch: Batch) -> Loss:
    """Mean cross-entropy over the tokens to be predicted; zero where there are none."""
    wanted = batch[TARGET] != IGNORED
    target = batch[TARGET][wanted]
    logits = logits_at(model, inputs_of(batch), wanted)
    return Loss(functional.cross_entropy(logits, target, reduction="sum") / max(1, len(target)), len(target))


def scores(logits: Tensor, target: Tensor, example: Tensor, examples: int) -> Outputs:
    """``nll`` (nats), ``tokens`` and ``hits`` of each example.

    Args:
        logits: (tokens, vocabulary).
        target: (tokens,) the right ones.
        example: (tokens,) which example each token is of.
        examples: how many there are.
    """
    nll = functional.cross_entropy(logits, target, reduction="none")
    hits = logits.argmax(dim=-1) == target
    place = example.cpu().numpy()

    def per_example(values: Tensor) -> np.ndarray:
        return np.bincount(place, weights=values.double().cpu().numpy(), minlength=examples)

    return {
        "nll": per_example(nll),
        "tokens": np.bincount(place, minlength=examples),
        "hits": per_example(hits).astype(np.int64),
    }


def sum_windows(outputs: Outputs, examples: pa.Table) -> Outputs:
    """``nll``, ``tokens`` and ``hits`` of windows, summed over the windows of each row."""
    place = window_rows(examples)
    return {
        name: np.bincount(place, weights=outputs[name]).astype(outputs[name].dtype)
        for name in ("nll", "tokens", "hits")
    }


def window_rows(examples: pa.Table) -> np.ndarray:
    """(windows,) which row each is of; rows are numbered from 0 in their order."""
    place: np.ndarray = np.unique(examples["row"].to_numpy(), return_inverse=True)[1]
    return place


def outcome(outputs: Outputs) -> Modelled:
    """Of assembled outputs."""
    return Modelled(outputs["nll"], outputs["tokens"], outputs["hits"])


def perplexities(outputs: Outputs) -> list[float | None]:
    """Of each row: e to the mean nll of its predicted tokens; None where there is none."""
    return [
        math.exp(nll / tokens) if tokens else None
        for nll, tokens in zip(outputs["nll"].tolist(), outputs["tokens"].tolist(), strict=True)
    ]
