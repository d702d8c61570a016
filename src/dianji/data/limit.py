"""Fewer rows to train on: a number of rows in proportion to the labels, or a number for each label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dianji.data.splits import proportional
from dianji.errors import DataError


@dataclass(frozen=True)
class Limit:
    """``count`` rows in all, or for each label."""

    count: int
    per_label: bool = False


def parse(value: int | str) -> Limit:
    """``1000`` or ``"10 per label"``; the recipe's section has checked that it is one of them."""
    return Limit(value) if isinstance(value, int) else Limit(int(value.split()[0]), per_label=True)


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
        quota = _shared(sizes, min(limit.count, rows))
    ordered = rank[np.argsort(classes[rank], kind="stable")]
    place = np.arange(rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(ordered[place < quota[classes[ordered]]])


def _shared(sizes: np.ndarray, total: int) -> np.ndarray:
    """``total`` rows in proportion to the classes' sizes, but at least one of each class that has any."""
    quota = proportional(sizes, total, sizes)
    for class_ in np.flatnonzero((sizes > 0) & (quota == 0)):
        quota[quota.argmax()] -= 1
        quota[class_] = 1
    return quota
