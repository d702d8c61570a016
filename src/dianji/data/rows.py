"""All rows of a task, each with its content and its split: what reports are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import Content, codes, mixed
from dianji.data.source import SOURCE

#: Rows named in a warning or an entry of a report; the rest are counted.
EXAMPLES = 10


@dataclass(frozen=True)
class Rows:
    """All rows that are used, each with its split (a number into ``SPLITS``)."""

    table: pa.Table
    content: Content
    split: np.ndarray  # (rows,) int8
    columns: Mapping[str, Column]
    sources: pa.ChunkedArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", self.table[SOURCE])

    def inputs(self) -> list[str]:
        """Names of the input columns that the table has."""
        return [name for name, column in self._held() if not column.target]

    def targets(self) -> list[str]:
        """Names of the target columns that the table has."""
        return [name for name, column in self._held() if column.target]

    @property
    def classified(self) -> bool:
        """Whether a target names classes. Free texts may differ, and both be right."""
        return any(self.columns[name].of.categories != "none" for name in self.targets())

    def texts(self) -> dict[str, list[str]]:
        """Input column -> the text of each row, for columns that hold natural language."""
        found = {name: self.columns[name].of.texts(self.table[name]) for name in self.inputs()}
        return {name: texts for name, texts in found.items() if texts is not None}

    def codes(self, names: Sequence[str]) -> np.ndarray:
        """(rows,) the same number for rows that are equal in all of these columns."""
        return codes(mixed([self.columns[name].of.key(self.table[name]) for name in names], self.table.num_rows))

    def where(self, positions: Sequence[int] | np.ndarray) -> list[str]:
        """Sources of the first rows among ``positions``."""
        return [self.sources[int(row)].as_py() for row in positions[:EXAMPLES]]

    def target(self, row: int) -> str:
        """The targets of a row in words."""
        return ", ".join(self.columns[name].of.show(self.table[name][int(row)].as_py()) for name in self.targets())

    def _held(self) -> list[tuple[str, Column]]:
        return [(name, column) for name, column in self.columns.items() if name in self.table.column_names]
