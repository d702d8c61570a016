"""Pairs of texts as one input of a model that reads both at once (a cross-encoder; Devlin et al., 2019, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.errors import DataError
from dianji.tasks import _tokens
from dianji.tasks._rows import where
from dianji.tasks._two_texts import two_texts
from dianji.tasks.base import Batch, Purpose, TaskModel
from dianji.tasks.texts import Texts

SIDES = ("text", "other")
_LENGTH = 256  # tokens of a pair, unless the recipe says otherwise or the base takes fewer


@dataclass(frozen=True)
class TextPairs:
    """Columns ``text`` and ``other``, such as premise and hypothesis, or two questions.

    Args:
        length: tokens of a pair; by default 256, or the base's limit if that is less. Of longer pairs the longer text
            is cut first.
        pooling: mean of the tokens, first token, the architecture's own head (native), or the base card's word.
    """

    length: int | None = None
    pooling: Literal["auto", "mean", "first", "native"] = "auto"

    @property
    def columns(self) -> Mapping[str, Column]:
        """``text`` and ``other``."""
        return {name: Column("text") for name in SIDES}

    @property
    def random(self) -> bool:
        """No."""
        return False

    @property
    def baselines(self) -> tuple[str, ...]:
        """Counted words of both texts, and of the second one alone: what a model knows without comparing them."""
        return ("tfidf-logistic-regression", "second-text-alone", "tfidf-ridge")

    def check(self, table: pa.Table, findings: Findings) -> None:
        """A fault for each row of which a side is empty."""
        for name in SIDES:
            for row, text in enumerate(table[name].to_pylist()):
                if not (text or "").strip():
                    findings.fault(_empty(table, row, name))

    def corpus(self, table: pa.Table) -> pa.Table:
        """Both texts of every row."""
        return pa.table({"text": pa.chunked_array([chunk for name in SIDES for chunk in table[name].chunks])})

    def learn(self, table: pa.Table) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def model(self, base: Base, names: dict[str, Any]) -> TaskModel:
        """As for single texts."""
        return Texts(self.length, self.pooling).model(base, names)

    def encode(self, table: pa.Table, base: Base, targets: Mapping[str, pa.Array]) -> pa.Table:
        """``input_ids``, ``types`` where the base has token types, ``whole``: tokens of the whole pair.

        Raises:
            DataError: a side is empty.
        """
        for name in SIDES:
            for row, text in enumerate(table[name].to_pylist()):
                if not (text or "").strip():
                    raise DataError(_empty(table, row, name))
        return two_texts(table, SIDES, base, self.length, _LENGTH).table(**targets)

    def collate(self, examples: pa.Table, base: Base, rng: np.random.Generator, *, purpose: Purpose) -> Batch:
        """``input_ids``, ``attention_mask``, ``token_type_ids`` where the base has them (batch, longest)."""
        batch = _tokens.model_inputs(*_tokens.padded(examples["input_ids"], _tokens.pad_id(base)))
        if "types" in examples.column_names:
            batch["token_type_ids"] = torch.from_numpy(_tokens.padded(examples["types"], 0)[0])
        return batch

    def baseline_inputs(self, table: pa.Table) -> list[tuple[str, str]]:
        """Both texts of each row."""
        return list(zip(*(table[name].to_pylist() for name in SIDES), strict=True))


def _empty(table: pa.Table, row: int, name: str) -> str:
    return (
        f"{where(table, row)}: column '{name}' is empty; expected a text on both sides of a pair. Write it, or drop "
        "such rows with clean: {drop_empty: true}."
    )
