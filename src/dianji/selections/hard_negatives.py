"""Hard negatives: what the earlier stage takes for the partner of a text although it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from dianji.data.columns import Column
from dianji.errors import CapabilityError
from dianji.registry import component, key_of
from dianji.selections._mining import Mining, mine
from dianji.selections.base import Earlier, Selected
from dianji.tasks.base import Task


@component("selection", "hard-negatives")
@dataclass(frozen=True, kw_only=True)
class HardNegatives:
    """Triplets of pairs: each text, its partner, and the most similar partners of other texts.

    Args:
        negatives: triplets that are made of each pair, the most similar negatives first.
        margin: a candidate whose cosine is above that of the pair less the margin is probably right too, and is passed
            over (NV-Retriever; Moreira et al., 2024, arXiv:2407.15831).
        skip: of the candidates that are left, how many of the most similar ones are passed over too.
    """

    negatives: Annotated[int, Field(ge=1, le=100)] = 1
    margin: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.05
    skip: Annotated[int, Field(ge=0)] = 0

    def reads(self, task: Task) -> Mapping[str, Column]:
        """``text`` and ``positive``."""
        if "positive" not in task.columns:
            raise CapabilityError(
                f"hard-negatives needs an earlier stage that learns vectors of pairs (sentence-embedding), found "
                f"'{key_of(task).name}'."
            )
        return {"text": Column("text"), "positive": Column("text")}

    def select(self, earlier: Earlier, table: pa.Table) -> Selected:
        """``text``, ``positive``, ``negative``, in the order of the pairs; a pair without a candidate has no row."""
        texts, positives = (table[name].to_pylist() for name in ("text", "positive"))
        if "negative" in earlier.task.columns:  # read, and not used
            table = table.append_column("negative", table["positive"])
        found = earlier.scored(table)  # each text behind the prompt of its side
        rule = Mining(self.negatives, self.margin, self.skip)
        return Selected(*mine(texts, positives, (found["vector"], found["partners"][:, 0]), rule))
