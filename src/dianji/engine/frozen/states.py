"""The states of a split's examples: computed on demand, or stored; both give the same bits.

The last bits of an example's states depend on the other examples of its batch: padding lengthens sums, and the number
of rows of a matrix product decides which kernel computes it. So a frozen trunk always computes examples of one length
together, without padding of their tokens, in groups that are filled up to a multiple of four rows. On a CPU in fp32 the
states of an example must be a function of the example, so that a run that stores them learns the same bytes as one that
computes them anew in every epoch; ``ExactReader`` proves that for each size of group.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from dianji.bases.base import Base
from dianji.engine.device import moved
from dianji.engine.frozen.exact import ROWS, ExactReader, filled
from dianji.engine.frozen.graph_split import GraphSplit, SizedBatch
from dianji.engine.frozen.shapes import Extent
from dianji.engine.runtime import Runtime
from dianji.engine.seeding import generator
from dianji.kernels.layers.fast import FastLayers
from dianji.kernels.native.structs import MOST_TIME
from dianji.tasks.base import Batch, Task

TOKENS = 2048  # read together; on a CPU larger passes leave the caches
EXAMPLES = 64  # read together where they have no length, such as images


@dataclass(frozen=True)
class Reader:
    """Runs a model's frozen part on examples of one split.

    ``fast_layers`` is the reader's own: it says the same of an example whether the model is training with fast
    layers, being evaluated, or neither.
    """

    task: Task
    base: Base
    model: nn.Module
    runtime: Runtime
    examples: pa.Table
    fast_layers: FastLayers = field(default_factory=FastLayers)

    @property
    def lengths(self) -> np.ndarray:
        """(examples,) tokens."""
        found: np.ndarray = self.examples["length"].to_numpy()
        return found

    def sample(self, indices: np.ndarray) -> SizedBatch:
        """A batch on the device. The task draws nothing for it, so the generator is never asked."""
        table = self.examples.take(pa.array(indices))
        collated = self.task.collate(table, self.base, generator(0), purpose="train")
        batch = moved(collated, self.runtime.device)
        return SizedBatch(batch, extent(self.lengths, indices))

    def run(self, batch: Batch) -> Any:
        """The task's loss, in the run's precision."""
        with self.runtime.products():
            return self.task.loss(self.model, batch)

    def groups(self, cut: GraphSplit, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The indices, shortest examples first, in groups that are computed together.

        With packed rows, the states of an example do not depend on the lengths of others, to the last bit.
        """
        packed = self.fast_layers.packs and int(self.lengths.max(initial=0)) <= MOST_TIME
        return alike(self.lengths, indices, mixed=packed and not cut.ragged)

    @property
    def exact(self) -> bool:
        """Whether the states of an example must not depend on the examples beside it, to the last bit."""
        return self.runtime.device.type == "cpu" and self.runtime.precision == "fp32" and not self.fast_layers.packs

    def read(self, cut: GraphSplit, indices: np.ndarray, rows: int = ROWS) -> Tensor:
        """(examples, …) or (examples, time, …): the states of examples of one group.

        The group is filled up with repetitions of its last example, to ``rows`` at least and a multiple of ``ROWS``.
        """
        missing = max(rows, filled(len(indices))) - len(indices)
        batch = self.sample(np.pad(indices, (0, missing), mode="edge")).batch
        with _as_made(self.model), self.fast_layers.on():
            found = cut.reach(lambda: self.run(batch))
        return found[: len(indices)]


@contextmanager
def _as_made(model: nn.Module) -> Iterator[None]:
    """The model without replacements of ``forward``."""
    instead = [(module, module.__dict__.pop("forward")) for module in model.modules() if "forward" in module.__dict__]
    try:
        yield
    finally:
        for module, forward in instead:
            module.__dict__["forward"] = forward


def extent(lengths: np.ndarray, indices: np.ndarray) -> Extent:
    """The size of a batch of these examples."""
    return Extent(len(indices), int(lengths[indices].max(initial=1)))


def alike(lengths: np.ndarray, indices: np.ndarray, *, mixed: bool = False) -> Iterator[np.ndarray]:
    """The indices, shortest examples first, in groups that are computed together: of one length, or of any."""
    order = indices[np.argsort(lengths[indices], kind="stable")]
    if mixed:
        number = (np.cumsum(lengths[order]) - lengths[order]) // TOKENS
        yield from (group for group in np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(group))
        return
    bounds = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, bounds):
        if len(group):
            length = int(lengths[group[0]])
            size = EXAMPLES if length == 1 else max(ROWS, TOKENS // length // ROWS * ROWS)
            yield from np.split(group, range(size, len(group), size))


@dataclass(frozen=True)
class Fresh:
    """States that are computed for each batch anew."""

    cut: GraphSplit
    reader: Reader
    #: Whether they stand for states that could have been stored: then they are the same to the bit, where it can be.
    as_stored: bool = True

    @cached_property
    def _exact(self) -> ExactReader | None:
        return ExactReader(self.cut, self.reader) if self.as_stored and self.reader.exact else None

    def of(self, indices: np.ndarray) -> AbstractContextManager[None]:
        """Computes the states."""
        lengths = self.reader.lengths
        size = extent(lengths, indices)
        place = {int(index): row for row, index in enumerate(indices)}
        state = torch.zeros(self.cut.state.sizes(size), dtype=self.cut.state.dtype, device=self.reader.runtime.device)
        for group in self.reader.groups(self.cut, indices):
            rows = [place[int(index)] for index in group]
            found = self._exact.read(group) if self._exact else self.reader.read(self.cut, group)
            if self.cut.ragged:
                state[rows, : found.shape[1]] = found
            else:
                state[rows] = found
        return self.cut.replayed(state, size)


@dataclass(frozen=True)
class StoredStates:
    """States that are looked up.

    ``values`` has one entry per example, or per token if the cut is ragged; that of example ``i`` begins at
    ``starts[i]``. Numbers that numpy does not know (bf16) are held as whole ones of that size.
    """

    cut: GraphSplit
    lengths: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    device: torch.device

    def of(self, indices: np.ndarray) -> AbstractContextManager[None]:
        """Copies the states, padded with zeros."""
        size = extent(self.lengths, indices)
        if self.cut.ragged:
            rows = np.zeros(self.cut.state.sizes(size), dtype=self.values.dtype)
            for row, index in enumerate(indices):
                start, length = self.starts[index], self.lengths[index]
                rows[row, :length] = self.values[start : start + length]
        else:
            rows = self.values[self.starts[indices]]
        state = torch.from_numpy(rows).view(self.cut.state.dtype).to(self.device)
        return self.cut.replayed(state, size)

    def rows(self) -> np.ndarray:
        """(examples, width) fp32, in the order of the examples; for states that are not ragged."""
        chosen = torch.from_numpy(self.values[self.starts]).view(self.cut.state.dtype)
        found: np.ndarray = chosen.float().reshape(len(self.starts), -1).numpy()
        return found


def places(cut: GraphSplit, lengths: np.ndarray) -> tuple[np.ndarray, int]:
    """The start of each example's states in the order of reading, and their number."""
    order = np.concatenate([*alike(lengths, np.arange(len(lengths))), np.empty(0, dtype=np.int64)])
    taken = lengths[order].astype(np.int64) if cut.ragged else np.ones(len(order), dtype=np.int64)
    starts = np.empty(len(order), dtype=np.int64)
    starts[order] = np.cumsum(taken) - taken
    return starts, int(taken.sum())
