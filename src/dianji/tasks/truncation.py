"""Rows of which a task reads only the beginning: counted, so that it can be said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

#: Column of examples, int32: tokens of the whole row, more than ``length`` where it was cut. Tasks that cut have it.
WHOLE = "whole"


@dataclass(frozen=True)
class Truncation:
    """How many rows were cut; ``length`` and ``longest`` are tokens, 0 where none was."""

    rows: int = 0
    of: int = 0
    length: int = 0
    longest: int = 0

    def __add__(self, other: Truncation) -> Truncation:
        """Of both."""
        return Truncation(
            self.rows + other.rows,
            self.of + other.of,
            max(self.length, other.length),
            max(self.longest, other.longest),
        )

    def __bool__(self) -> bool:
        """Whether there is something to say."""
        return self.rows > 0

    def __str__(self) -> str:
        """``312 of 10,003 rows (3.1%) are longer than 256 tokens and are cut; the longest has 1,204``."""
        verb, one = ("is", "it has") if self.rows == 1 else ("are", "the longest has")
        share = self.rows / max(1, self.of)
        percent = f"{share:.1%}" if share >= 0.001 else "under 0.1%"
        return (
            f"{self.rows:,} of {self.of:,} rows ({percent}) {verb} longer than {self.length:,} tokens and {verb} cut; "
            f"{one} {self.longest:,}"
        )

    def to_json(self) -> dict[str, int]:
        """Plain values."""
        return {"rows": self.rows, "of": self.of, "length": self.length, "longest": self.longest}


def truncation(examples: pa.Table) -> Truncation:
    """What of the examples was cut; nothing where their task has no such column."""
    if WHOLE not in examples.column_names:
        return Truncation(of=examples.num_rows)
    whole, length = examples[WHOLE].to_numpy(), examples["length"].to_numpy()
    shortened = whole > length
    if not shortened.any():
        return Truncation(of=examples.num_rows)
    return Truncation(
        int(np.count_nonzero(shortened)), examples.num_rows, int(length[shortened].max()), int(whole.max())
    )
