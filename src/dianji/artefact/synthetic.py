"""Invented rows for a probe whose artefact may leave where data may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from dianji.bases.base import Base
from dianji.data.columns import Column


def invented(columns: Mapping[str, Column], base: Base, rows: int, rng: np.random.Generator) -> pa.Table:
    """``rows`` rows of a task's input columns, as the column kinds make them up."""
    like = _Words(base)
    return pa.table({name: column.of.invent(rows, rng, like) for name, column in columns.items() if not column.target})


@dataclass(frozen=True)
class _Words:
    """Texts of the tokenizer's own tokens (see ``dianji.data.columns.base.Vocabulary``)."""

    base: Base

    def text(self, tokens: int, rng: np.random.Generator) -> str:
        """A text of ``tokens`` ordinary tokens."""
        return str(self.base.processor.decode(rng.choice(self._ordinary, size=tokens).tolist()))

    @cached_property
    def _ordinary(self) -> np.ndarray:
        tokenizer = self.base.processor
        return np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
