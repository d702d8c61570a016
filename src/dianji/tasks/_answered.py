"""Batches of conversations of which only answers count: loss, and scores of each row and each answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional

from dianji.evaluate.ragged import Ragged, offsets_of
from dianji.tasks import _language, _packing
from dianji.tasks._language import IGNORED, TARGET
from dianji.tasks._positions import logits_at
from dianji.tasks.base import Batch, Loss, Outputs

#: Batch entries: (blocks, time) the number of the answer whose token is to be predicted; (rows,) answers of each row.
_TURN, _TURNS = "turn", "turns"


def batch(examples: pa.Table, pad: int, size: int) -> Batch:
    """``input_ids``, ``labels``, ``turn`` (blocks, time), ``turns`` (rows,), and what ``_packing.packed`` gives.

    Args:
        examples: as ``_chat_examples.encoded`` makes them.
        pad: the padding token.
        size: tokens in a block; 1: each row has a block for itself.
    """
    ids, answers = (_rows(examples[name]) for name in ("input_ids", "answers"))
    labels = [
        np.where(after > 0, np.append(row[1:], 0), IGNORED) for row, after in zip(ids, map(_next, answers), strict=True)
    ]
    grids, marks = _packing.packed([ids, labels, list(map(_next, answers))], [pad, IGNORED, 0], size)
    order = np.argsort(marks[_packing.OWNER].numpy()[:, 0], kind="stable") if size == 1 else slice(None)
    tensors = {
        name: torch.from_numpy(grid[order]) for name, grid in zip(("input_ids", TARGET, _TURN), grids, strict=True)
    }
    marks = {name: tensor[order] for name, tensor in marks.items()}
    turns = torch.tensor([int(row.max(initial=0)) for row in answers])
    return {**tensors, **marks, _TURNS: turns}


def loss(model: torch.nn.Module, batch: Batch, *, packing: bool) -> Loss:
    """Mean cross-entropy over the tokens of answers."""
    wanted = batch[TARGET] != IGNORED
    target = batch[TARGET][wanted]
    logits = logits_at(model, _inputs(model, batch, packing=packing), wanted)
    return Loss(functional.cross_entropy(logits, target, reduction="sum") / max(1, len(target)), len(target))


def scores(model: torch.nn.Module, batch: Batch, *, packing: bool) -> Outputs:
    """``nll``, ``tokens``, ``hits`` of each row, ``turn_nll`` and ``turn_tokens`` of each answer of a row."""
    wanted = batch[TARGET] != IGNORED
    target, owner, turn = batch[TARGET][wanted], batch[_packing.OWNER][wanted], batch[_TURN][wanted]
    turns = batch[_TURNS].cpu().numpy()
    if not len(target):
        logits = torch.zeros((0, 2), device=target.device)
    else:
        logits = logits_at(model, _inputs(model, batch, packing=packing), wanted)
    found = _language.scores(logits, target, owner, len(turns))
    offsets = offsets_of(turns)
    place = offsets[owner.cpu().numpy()] + turn.cpu().numpy() - 1
    nll = functional.cross_entropy(logits, target, reduction="none").double().cpu().numpy()
    summed = np.bincount(place, weights=nll, minlength=offsets[-1])
    counted = np.bincount(place, minlength=offsets[-1])
    return {**found, "turn_nll": Ragged(summed, offsets), "turn_tokens": Ragged(counted, offsets)}


def _inputs(model: torch.nn.Module, batch: Batch, *, packing: bool) -> Batch:
    if packing:
        return _packing.packed_inputs(model, batch)
    owner: Tensor = batch[_packing.OWNER]
    return {"input_ids": batch["input_ids"], "attention_mask": (owner >= 0).long()}


def _rows(column: pa.ChunkedArray) -> list[np.ndarray]:
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy()
    values = array.values.to_numpy().astype(np.int64)
    return [values[start:end] for start, end in pairwise(offsets.tolist())]


def _next(row: np.ndarray) -> np.ndarray:
    """The number of the answer that the token after each one belongs to; nothing comes after the last."""
    return np.append(row[1:], 0)
