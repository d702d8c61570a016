"""A word table with only the rows that a run can touch.

Most of a vocabulary never occurs in the rows one fine-tunes on: such vectors get no gradient, so every optimiser that
treats each number by itself leaves them as they are. Training on the others alone is the same mathematics, without a
gradient, moments and a norm for tens of thousands of rows of zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

#: A table must lose at least this share of its rows to be worth it.
LEAST_SAVED = 0.5


class CompactTable:
    """Stands in an embedding module for its table; the module keeps its name, and its weight has fewer rows.

    Args:
        module: the embedding.
        rows: (used,) int64, ascending: the rows that stay.
    """

    def __init__(self, module: nn.Embedding, rows: Tensor) -> None:
        self._module, self._rows = module, rows
        self._full = module.weight
        self._place = torch.full((len(self._full),), -1, dtype=torch.int64, device=self._full.device)
        self._place[rows] = torch.arange(len(rows), device=self._full.device)
        self.weight = nn.Parameter(self._full.detach()[rows].clone())
        self._shrink()

    @property
    def rows_before(self) -> int:
        """Of the whole table."""
        return len(self._full)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """While active, the module has its whole table, with what was learnt."""
        self.restore()
        try:
            yield
        finally:
            self._shrink()

    def restore(self) -> None:
        """Write what was learnt into the whole table and give it back to the module."""
        with torch.no_grad():
            self._full[self._rows] = self.weight
        del self._module.forward
        self._module.weight = self._full

    def _shrink(self) -> None:
        self._module.weight = self.weight
        self._module.forward = self._look_up  # type: ignore[method-assign]  # on the instance

    def _look_up(self, input: Tensor) -> Tensor:
        padding = self._module.padding_idx
        place = int(self._place[padding]) if padding is not None else -1
        # A row that is missing has the number -1, which embedding refuses: nothing is looked up wrongly.
        return functional.embedding(self._place[input], self.weight, place if place >= 0 else None)


def shrink_table(model: nn.Module, examples: pa.Table, extra: Iterable[int]) -> CompactTable | None:
    """The word table of a model, cut to the tokens of ``examples`` and ``extra``; None where that is not the same.

    It is not where the table is tied to an output layer, which gives every row a gradient, and it is not worth it
    where most rows occur.
    """
    rows = rows_that_occur(model, examples, extra)
    module = None if rows is None else word_table(model)
    if module is None or rows is None:
        return None
    return CompactTable(module, torch.from_numpy(rows).to(module.weight.device))


def rows_that_occur(model: nn.Module, examples: pa.Table, extra: Iterable[int]) -> np.ndarray | None:
    """Rows of a model's word table that ``shrink_table`` would leave, ascending int64; None: it would not shrink it."""
    module = word_table(model) if "input_ids" in examples.column_names else None
    if module is None:
        return None
    uses = sum(parameter is module.weight for _, parameter in model.named_parameters(remove_duplicate=False))
    if uses > 1 or not module.weight.requires_grad or module.sparse or module.max_norm is not None:
        return None
    tokens = np.unique(np.concatenate([_tokens(chunk) for chunk in examples["input_ids"].chunks]))
    rows = np.union1d(tokens, [token for token in extra if token >= 0]).astype(np.int64)
    if len(rows) == 0 or rows[-1] >= module.num_embeddings or len(rows) > LEAST_SAVED * module.num_embeddings:
        return None
    return rows


def _tokens(chunk: pa.Array) -> np.ndarray:
    """The distinct tokens of one chunk of lists."""
    return np.unique(chunk.flatten().to_numpy(zero_copy_only=False))


def word_table(model: nn.Module) -> nn.Embedding | None:
    """The embedding of a transformers model's tokens; None where it has none, or another one than torch's."""
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            found = module.get_input_embeddings()
            return found if type(found) is nn.Embedding and "forward" not in vars(found) else None
    return None
