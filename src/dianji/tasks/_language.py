"""What language-modelling tasks share: scores of predicted tokens, windows back to rows, perplexity."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from dianji.evaluate.modelled import Modelled
from dianji.tasks._positions import logits_at
from dianji.tasks.base import MARGIN, Batch, Loss, Outputs

#: Batch entry (batch, time): the token to be predicted at each position, or IGNORED.
TARGET = "labels"
IGNORED = -100

#: A margin that no rounding overcomes.
SURE = 1e6

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
    """``nll`` (nats), ``tokens`` and ``hits`` of each example, and the smallest margin of a hit or miss.

    Args:
        logits: (tokens, vocabulary).
        target: (tokens,) the right ones.
        example: (tokens,) which example each token is of.
        examples: how many there are.
    """
    nll = functional.cross_entropy(logits, target, reduction="none")
    best = logits.topk(min(2, logits.shape[-1]), dim=-1)
    hits = best.indices[:, 0] == target
    rival = torch.where(hits, best.values[:, -1], logits.gather(1, target[:, None])[:, 0])
    margin = np.full(examples, SURE, dtype=np.float32)
    place = example.cpu().numpy()

    def per_example(values: Tensor) -> np.ndarray:
        return np.bincount(place, weights=values.double().cpu().numpy(), minlength=examples)

    np.minimum.at(margin, place, (best.values[:, 0] - rival).cpu().numpy())
    return {
        "nll": per_example(nll),
        "tokens": np.bincount(place, minlength=examples),
        "hits": per_example(hits).astype(np.int64),
        f"hits{MARGIN}": margin,
    }


def sum_windows(outputs: Outputs, examples: pa.Table) -> Outputs:
    """``nll``, ``tokens`` and ``hits`` of windows, summed over the windows of each row."""
    place = window_rows(examples)
    summed: Outputs = {
        name: np.bincount(place, weights=outputs[name]).astype(outputs[name].dtype)
        for name in ("nll", "tokens", "hits")
    }
    margin = np.full(len(summed["nll"]), SURE, dtype=np.float32)
    np.minimum.at(margin, place, outputs[f"hits{MARGIN}"])
    return {**summed, f"hits{MARGIN}": margin}


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
