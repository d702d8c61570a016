"""Packing: several short rows in one block, none of which sees another.

Each row has positions of its own and attends to itself alone. Whether an architecture keeps to that is tried with every
model before it is trained, never assumed: convolutions and recurrent layers cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from dianji.errors import CapabilityError
from dianji.tasks.base import Batch

#: Batch entry (blocks, time) int64: the row that each token is of, numbered within the batch; -1 for padding.
OWNER = "owner"
#: Batch entry (blocks, time) int64: places within the rows.
PLACES = "places"
#: What logits of a row may differ by when its neighbours change: rounding of fp32.
_TOLERANCE = 1e-4


def blocks(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Rows to blocks of at most ``size`` tokens, the longest first, each into the first block with room for it.

    A row that is longer has a block for itself. Rows of a block are in the order of the batch.
    """
    found: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        place = next((place for place, left in enumerate(room) if left >= lengths[row]), None)
        if place is None:
            found.append([])
            room.append(max(size, lengths[row]))
            place = len(found) - 1
        found[place].append(row)
        room[place] -= lengths[row]
    return [sorted(block) for block in found]


def packed(columns: Sequence[Sequence[np.ndarray]], fills: Sequence[int], size: int) -> tuple[list[np.ndarray], Batch]:
    """Columns of rows as (blocks, time) int64, and ``owner`` and ``places`` of the tokens.

    Args:
        columns: of each column an array per row; all columns have the same lengths.
        fills: what each column is filled up with.
        size: tokens in a block.
    """
    lengths = [len(row) for row in columns[0]]
    groups = blocks(lengths, size)
    longest = max((sum(lengths[row] for row in block) for block in groups), default=0)
    shape = (len(groups), longest)
    grids = [np.full(shape, fill, dtype=np.int64) for fill in fills]
    owner, places = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for number, block in enumerate(groups):
        start = 0
        for row in block:
            end = start + lengths[row]
            for grid, column in zip(grids, columns, strict=True):
                grid[number, start:end] = column[row]
            owner[number, start:end], places[number, start:end] = row, np.arange(lengths[row])
            start = end
    return grids, {OWNER: torch.from_numpy(owner), PLACES: torch.from_numpy(places)}


def packed_inputs(model: nn.Module, batch: Batch) -> Batch:
    """What a model takes of a packed batch: a mask of pairs of tokens, and positions within rows.

    Raises:
        CapabilityError: the model's attention takes no such mask.
    """
    inner = _inner(model)
    owner, places = batch[OWNER], batch[PLACES]
    same = (owner[:, :, None] == owner[:, None, :]) & (places[:, :, None] >= places[:, None, :])
    same &= (owner >= 0)[:, :, None]
    # A token of padding sees itself, so that no row of the softmax is empty.
    same = (same | torch.eye(owner.shape[1], dtype=torch.bool, device=owner.device))[:, None]
    kind = getattr(inner.config, "_attn_implementation", "eager")
    if kind == "sdpa":
        mask = same
    elif kind == "eager":
        mask = torch.zeros(same.shape, device=owner.device).masked_fill(~same, torch.finfo(torch.float32).min)
    else:
        raise CapabilityError(f"packing: attention of the kind '{kind}' takes no mask of pairs. Leave out packing.")
    return {"input_ids": batch["input_ids"], "attention_mask": mask, "position_ids": places + _first_position(inner)}


@torch.inference_mode()
def require_separable(model: nn.Module, name: str) -> None:
    """Try whether rows of a block stay apart: alone, packed, and beside another neighbour they get the same logits.

    Raises:
        CapabilityError: they do not, or the architecture takes no positions or mask of pairs.
    """
    inner = _inner(model)
    embeddings: Any = inner.get_input_embeddings()
    vocabulary = len(embeddings.weight)
    # Some architectures count positions by the tokens that are no padding.
    known = np.setdiff1d(np.arange(vocabulary), [getattr(inner.config, "pad_token_id", None) or 0])
    drawn = np.random.default_rng(0)
    first, second, other = (drawn.choice(known, size=size) for size in (4, 5, 5))
    was = model.training
    model.eval()
    try:
        alone = torch.cat([_logits(model, [row])[0] for row in (first, second)])
        together = _logits(model, [first, second])[0]
        beside = _logits(model, [first, other])[0][: len(first)]
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise _refusal(name, f"its architecture takes no positions or masks of pairs of tokens ({reason})") from None
    finally:
        model.train(was)
    scale = float(alone.abs().max()) + 1.0
    gap = max(float((together - alone).abs().max()), float((beside - together[: len(first)]).abs().max()))
    if not gap <= _TOLERANCE * scale:
        raise _refusal(name, f"its architecture lets rows of a block see each other (logits differ by {gap:.2g})")


def _logits(model: nn.Module, rows: Sequence[np.ndarray]) -> Tensor:
    """Of the rows in one block; a row alone goes the plain way, without mask and positions."""
    grids, marks = packed([rows], [0], sum(map(len, rows)))
    ids = torch.from_numpy(grids[0])
    device = next(model.parameters()).device
    inputs = {"input_ids": ids}
    if len(rows) > 1:
        inputs = packed_inputs(model, {"input_ids": ids, **marks})
    found: Tensor = model(**{key: value.to(device) for key, value in inputs.items()}).logits
    return found.float()


def _refusal(name: str, reason: str) -> CapabilityError:
    return CapabilityError(f"packing does not work with base '{name}': {reason}. Leave out packing.")


def _first_position(inner: PreTrainedModel) -> int:
    """The number of the first position: of architectures like RoBERTa the one after the padding token's."""
    embeddings: Any = getattr(inner.base_model, "embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


def _inner(model: nn.Module) -> PreTrainedModel:
    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))
