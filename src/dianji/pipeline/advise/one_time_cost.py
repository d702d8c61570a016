"""Measures the part of a run's cost that does not grow with epochs: reading frozen states, fitting a linear head."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dianji.engine.frozen.graph_split import GraphSplit
from dianji.engine.frozen.state_store import in_memory
from dianji.engine.frozen.states import Reader, StoredStates, alike
from dianji.engine.job import Job
from dianji.engine.logistic import MANY, seconds_per_pass
from dianji.engine.solver import find_head, fit
from dianji.reporting import Silent

#: Rows that are read to time it and to fit a head on; fewer where they would take longer than so many seconds.
MOST_READ, MOST_SECONDS = 1024, 10.0
#: Of these, one in so many is held out to choose the strength of the penalty.
HELD_OUT = 5
#: Features in memory besides those that are read: as they are, and in the coordinates in which they are fitted.
COPIES = 3


@dataclass(frozen=True)
class Read:
    """Some examples with their frozen states, and the time that reading them took."""

    reader: Reader  # of these examples alone
    states: StoredStates
    seconds_per_token: float

    @property
    def examples(self) -> pa.Table:
        """The examples."""
        return self.reader.examples


@dataclass(frozen=True)
class Fitting:
    """The forecast cost of fitting a head to all rows."""

    seconds: float
    iterations: int
    passes: int  # how often all rows are read
    more_mb: float  # of memory, for the rows that were left out


def read(cut: GraphSplit, reader: Reader, rows: np.ndarray) -> Read:
    """Compute the states of these rows."""
    few = dataclasses.replace(reader, examples=reader.examples.take(pa.array(rows)))
    began = time.perf_counter()
    states = in_memory(cut, few, Silent(), "")
    return Read(few, states, (time.perf_counter() - began) / max(1, int(few.lengths.sum())))


def read_some(cut: GraphSplit, reader: Reader) -> Read:
    """Read rows of all lengths, in groups as large as those of a run, for some seconds at most."""
    groups = list(alike(reader.lengths, np.arange(len(reader.lengths))))
    order = np.random.default_rng(0).permutation(len(groups))
    drawn = [groups[number] for number in order]
    read(cut, reader, drawn[0])  # warms up
    per_token = read(cut, reader, drawn[0]).seconds_per_token
    rows = np.concatenate(drawn)
    seconds = np.cumsum(reader.lengths[rows]) * per_token
    most = min(MOST_READ, int(np.searchsorted(seconds, MOST_SECONDS)))
    ends = np.cumsum([len(group) for group in drawn])  # groups are not taken apart
    return read(cut, reader, rows[: ends[min(int(np.searchsorted(ends, most)), len(ends) - 1)]])


def fit_some(job: Job, some: Read, rows: Mapping[str, int], folder: Path) -> Fitting:
    """Fit the job's head to a few rows, and extrapolate the cost to all rows.

    How often a fit reads its rows depends little on how many they are: 252 times for 7,002 rows of BANKING77, 150 to
    290 times for 256 to 2,048 of them. The time of a pass over all rows is measured.

    Args:
        job: a trial's.
        some: training rows.
        rows: of every split, all of them.
        folder: for an event log.

    Raises:
        NotSplittable: the head is not one linear layer.
    """
    count = len(some.states.lengths)
    # Where a run holds rows out in turns it is because they are few, and then these are most of them.
    held = np.arange(count) % HELD_OUT == 0 if "validation" in rows or rows["train"] > MANY else np.zeros(count, bool)
    learning, rest = (_part(some, np.flatnonzero(chosen)) for chosen in (~held, held))
    few = dataclasses.replace(job, examples=learning.examples, validation=rest.examples if held.any() else None)
    began = time.perf_counter()
    head = find_head(few, learning.reader, learning.states, rest.states if held.any() else None)
    finding = time.perf_counter() - began
    trained = fit(few, head, folder, rest.states if held.any() else None, Silent())
    fitted = len(head.train.targets)
    passes = round(trained.samples / fitted)
    classes, width = head.layer.out_features, head.train.features.shape[1]
    pass_of = {number: seconds_per_pass(head.train, number, classes) for number in {fitted, rows["train"]}}
    seconds = trained.seconds + passes * (pass_of[rows["train"]] - pass_of[fitted])
    return Fitting(
        seconds=max(seconds, 0.0) + finding * sum(rows.get(split, 0) for split in ("train", "validation")) / count,
        iterations=trained.steps,
        passes=passes,
        more_mb=max(0, rows["train"] - fitted) * width * 4 * COPIES / 2**20,
    )


def renumbered(steps: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """The rows of some steps, in order; and the steps with rows numbered by their place among these."""
    rows = np.unique(np.concatenate([batch for step in steps for batch in step]))
    return rows, [[np.searchsorted(rows, batch) for batch in step] for step in steps]


def _part(some: Read, rows: np.ndarray) -> Read:
    """A part of the rows that were read. States of single vectors, which ``find_head`` requires, are only looked up."""
    reader = dataclasses.replace(some.reader, examples=some.examples.take(pa.array(rows)))
    states = dataclasses.replace(some.states, lengths=some.states.lengths[rows], starts=some.states.starts[rows])
    return Read(reader, states, some.seconds_per_token)
