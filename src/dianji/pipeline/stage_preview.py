"""A preview of a stage before it begins: its task, its base without the weights, examples of some rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch

from dianji.bases.base import Base
from dianji.engine.recomputing import recompute_activations
from dianji.errors import StoreError
from dianji.pipeline.plan import Work
from dianji.tasks.base import Batch, Purpose, Task, TaskModel
from dianji.tasks.truncation import WHOLE, Truncation, truncation

#: Rows whose lengths stand for all where memory is told, and which a new base's tokenizer is fitted to.
FIRST = 2000
#: Of a split so many rows are encoded at most to see how long they are, and about so many bytes: about a second.
MOST_ROWS, MOST_BYTES = 10_000, 2**20
#: Places from which a sample's rows are taken, evenly spread: tables may be sorted, and larger than memory.
PLACES = 100


@dataclass(frozen=True)
class RowSample:
    """Examples of some rows of a split, spread evenly over it; of all where they are few."""

    examples: pa.Table
    rows: int
    of: int

    def describe(self, split: str) -> str:
        """``test``, or ``test, of which 10,000 of 150,000 rows were looked at``."""
        looked = f"{self.rows:,} of {self.of:,} rows"
        return split if self.rows == self.of else f"{split}, of which {looked} were looked at"


@dataclass(frozen=True)
class StagePreview:
    """One stage. Its base is the one that the first stage in the chain starts from: shape and tokenizer are equal."""

    work: Work
    task: Task  # fitted
    base: Base

    @classmethod
    def of(cls, work: Work) -> StagePreview:
        """Reads the base's configuration and its tokenizer; a new base fits its own to a few rows.

        Raises:
            DianjiError: the base is damaged, or its tokenizer has nothing to be fitted to.
        """
        root = work
        while root.parent is not None:
            root = root.parent
        if root.source is None:
            raise StoreError(f"stage {work.name} has neither a base nor an earlier stage")
        base = root.source.prepare(root.task.corpus(root.task.beginning(root.data.splits["train"], FIRST)))
        return cls(work, work.task.fit(work.data.splits["train"]), base)

    @cached_property
    def first(self) -> pa.Table:
        """Examples of the first training rows, of each part of the stage."""
        return self.task.encode(self.task.beginning(self.work.data.splits["train"], FIRST), self.base)

    @cached_property
    def samples(self) -> Mapping[str, RowSample]:
        """Examples of every split.

        Raises:
            DianjiError: the base does not take such rows, or not at the length that is asked for.
        """
        return {split: self._sample(table) for split, table in self.work.data.splits.items()}

    def cuts(self) -> dict[str, Truncation]:
        """The truncation of the samples, by split; empty where the task truncates nothing.

        Raises:
            DianjiError: see ``samples``.
        """
        one = self.task.encode(self.work.data.splits["train"].slice(0, 1), self.base)
        if WHOLE not in one.column_names:
            return {}
        return {split: found for split, sample in self.samples.items() if (found := truncation(sample.examples))}

    @cached_property
    def texts(self) -> Mapping[str, RowSample]:
        """The samples, where examples hold tokens; none where they do not (images, for instance).

        Raises:
            DianjiError: see ``samples``.
        """
        one = self.task.encode(self.work.data.splits["train"].slice(0, 1), self.base)
        return self.samples if any(name.endswith("input_ids") for name in one.column_names) else {}

    def collate(self, rows: np.ndarray, purpose: Purpose) -> Batch:
        """A batch of some of the first examples."""
        return self.task.collate(self.first.take(pa.array(rows)), self.base, np.random.default_rng(0), purpose=purpose)

    def model(self) -> TaskModel:
        """The model with head and adaptation, with shapes and without contents (torch's device "meta")."""
        with torch.device("meta"):
            model = self.task.model(dataclasses.replace(self.base, folder=None, new_weights=[]))
            self.work.adaptation.attach(model)
        if self.work.train.gradient_checkpointing:
            recompute_activations(model.model)
        return model

    def _sample(self, table: pa.Table) -> RowSample:
        rows = table.num_rows
        most = min(MOST_ROWS, max(1, MOST_BYTES * rows // max(1, table.nbytes)))
        if most < rows:
            each = max(1, most // PLACES)
            starts = np.linspace(0, rows - each, max(1, most // each)).astype(np.int64)
            table = pa.concat_tables([table.slice(start, each) for start in starts.tolist()])
        return RowSample(self.task.encode(table, self.base), table.num_rows, rows)
