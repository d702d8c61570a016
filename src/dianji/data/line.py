"""What the steps of the line hand on.

The line is locate, recognise, decode, select, check, clean, divide, report: each step is a module with one entry of the
same name, takes a ``Flow`` and returns a ``Flow``. Rows go through it in batches: data that are read as a whole are one
batch, a stream is many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import NO_CONTENT, Content
from dianji.data.findings import Findings
from dianji.data.source import Place, Source
from dianji.spec.data import Data


@dataclass(frozen=True)
class Request:
    """Which rows and columns to read, and what to do to them."""

    #: Where rows are and what is done to them.
    spec: Data
    #: The columns that are wanted, under the task's names; None: every column, under the data's own names.
    columns: Mapping[str, Column] | None = None
    #: The recipe's name for the data.
    name: str = ""
    seed: int = 0
    #: Whether rows are divided; else only the splits that the data come with are told apart.
    divide: bool = True
    #: Whether the rows are for a trained model: an input must be there, while a mapped column that is missing may stand
    #: under the task's own name.
    lenient: bool = False
    #: The caller's names of columns, before those of ``spec``; such a column must exist.
    given: Mapping[str, str] = field(default_factory=dict)
    #: Whether rows come in batches of ``CHUNK_ROWS`` instead of as a whole.
    chunks: bool = False

    @property
    def section(self) -> str:
        """Where the recipe says it: ``data.intents``."""
        return f"data.{self.name}" if self.name else "data"

    @property
    def wanted(self) -> Mapping[str, Column]:
        """The columns; none where every column is wanted."""
        return self.columns or {}

    def sources(self, name: str) -> tuple[str, ...]:
        """What the data calls a column of the task: one name, or several columns that stand for it together."""
        called = self.given.get(name) or self.spec.columns.get(name, name)
        return (called,) if isinstance(called, str) else tuple(called)

    @property
    def extra(self) -> dict[str, str]:
        """Columns that only the division needs: role -> the data's name."""
        split = self.spec.split
        roles = {"group": split.group, "time": split.time, "stratify": split.stratify, "within": split.within}
        roles |= {f"transductive.{place}": name for place, name in enumerate(split.known)}
        return {role: name for role, name in roles.items() if name is not None}


@dataclass(frozen=True)
class Reading:
    """A place and the source that reads it."""

    place: Place
    format: str
    source: Source

    @property
    def role(self) -> str:
        """What the digest calls the place: rows depend on the format and on the split, not on the path."""
        return f"{self.place.split or 'data'} {self.format}"


@dataclass(frozen=True)
class Batch:
    """Rows on their way. A step fills in what it adds; before it the field is empty."""

    table: pa.Table
    #: Of which place they are, until ``select`` puts the places together.
    reading: Reading | None = None
    #: Added by ``check``.
    content: Content = NO_CONTENT
    #: Added by ``divide``: (rows,) int8, numbers into ``SPLITS``.
    split: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int8))

    def filter(self, rows: np.ndarray) -> Batch:
        """The rows of a mask."""
        split = self.split[rows] if len(self.split) else self.split
        content = self.content.take(rows) if len(self.content.key) else self.content
        return replace(self, table=self.table.filter(pa.array(rows)), content=content, split=split)


@dataclass(frozen=True)
class Flow:
    """The request, what was found so far, and the rows."""

    request: Request
    findings: Findings = field(default_factory=Findings)
    #: Added by ``locate``.
    places: tuple[Place, ...] = ()
    #: Added by ``recognise``.
    readings: tuple[Reading, ...] = ()
    #: Added by ``decode``, and replaced by every later step; a stream's can be gone through again.
    batches: Iterable[Batch] = ()
    #: Added by ``decode``: sha256 over what determines the rows (bytes of files, rows of services), not over paths.
    digest: str = ""
    #: Added by the step that finds it: parts of the data report, as plain values.
    report: Mapping[str, Any] = field(default_factory=dict)

    def map(self, step: Callable[[Batch], Batch]) -> Flow:
        """The flow with every batch put through ``step``: at once where rows are read as a whole, else as they come."""
        return replace(self, batches=_gathered((step(batch) for batch in self.batches), self, step))

    @property
    def whole(self) -> Batch:
        """The one batch of data that are read as a whole."""
        (batch,) = self.batches
        return batch


class Again:
    """Something to go through, made anew each time."""

    def __init__(self, make: Callable[[], Iterator[Batch]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Batch]:
        return self._make()


def _gathered(now: Iterator[Batch], flow: Flow, step: Callable[[Batch], Batch]) -> Iterable[Batch]:
    if not flow.request.chunks:
        return tuple(now)
    before = flow.batches
    return Again(lambda: (step(batch) for batch in before))
