"""Fewer rows to train on: a number of rows in proportion to the labels, or a number for each label."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dianji.data.splits import proportional
from dianji.errors import DataError


@dataclass(frozen=True)
class Limit:
    """``count`` rows in all, or for each label."""

    count: int
    per_label: bool = False


def parse(value: int | str, section: str) -> Limit:
    """``1000`` or ``"10 per label"``.

    Raises:
        DataError: neither.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+)\s*(per[ _-]label)?\s*", value)
        if match is None:
            raise DataError(f"{section}.limit: '{value}' is neither a number of rows nor '10 per label'.")
        limit = Limit(int(match[1]), match[2] is not None)
    else:
        limit = Limit(value)
    if limit.count < 1:
        raise DataError(f"{section}.limit: {value} leaves nothing to train on; at least 1 is needed.")
    return limit


def choose(limit: Limit, classes: np.ndarray | None, order: np.ndarray, seed: int, section: str) -> np.ndarray:
    """Positions of the rows to keep, ascending. Every class keeps at least one row.

    Raises:
        DataError: no labels to count by, or fewer rows than labels.
    """
    rows = len(order)
    if limit.per_label and classes is None:
        raise DataError(
            f"{section}.limit: '{limit.count} per label' needs a task with one label per row. Write a number of rows."
        )
    rng = np.random.Generator(np.random.PCG64([seed, 1]))  # another stream than the split's
    rank = np.empty(rows, dtype=np.int64)
    rank[rng.permutation(rows)] = np.argsort(order, kind="stable")
    if classes is None:
        return np.sort(rank[: limit.count])
    sizes = np.bincount(classes)
    if limit.per_label:
        quota = np.minimum(sizes, limit.count)
    else:
        present = sizes > 0
        if limit.count < present.sum():
            raise DataError(
                f"{section}.limit: {limit.count} rows cannot hold all {present.sum()} labels. Write at least "
                f"{present.sum()}, or drop labels."
            )
        spare = min(limit.count, rows) - int(present.sum())
        quota = present + proportional(sizes - present, spare, sizes - present)
    ordered = rank[np.argsort(classes[rank], kind="stable")]
    place = np.arange(rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(ordered[place < quota[classes[ordered]]])
