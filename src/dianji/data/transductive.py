"""A transductive division: what occurs in validation or test occurs in training too. Arrays only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dianji.data.splits import TRAIN


def keep_known(split: np.ndarray, values: Sequence[np.ndarray], movable: np.ndarray) -> int:
    """Change ``split`` so that each value of validation and test also occurs in training, as far as it can.

    A row of validation or test with an unseen value moves to training; in exchange a training row moves there all of
    whose values occur in other training rows too, as long as there is one. As in the benchmarks of knowledge graphs
    (Toutanova and Chen, 2015).

    Args:
        split: (rows,) 0 for training; changed in place.
        values: of each column (rows,) numbers of its values.
        movable: the numbers of the rows that may change their split, in the order in which they are asked.

    Returns:
        Rows that moved to training and were not exchanged.
    """
    counts = [Counter(column[split == TRAIN].tolist()) for column in values]
    owed: list[int] = []
    for row in movable[split[movable] != TRAIN].tolist():
        if any(not count[int(column[row])] for count, column in zip(counts, values, strict=True)):
            owed.append(int(split[row]))
            split[row] = TRAIN
            for count, column in zip(counts, values, strict=True):
                count[int(column[row])] += 1
    for row in movable[split[movable] == TRAIN].tolist():
        if not owed:
            break
        if all(count[int(column[row])] > 1 for count, column in zip(counts, values, strict=True)):
            split[row] = owed.pop(0)
            for count, column in zip(counts, values, strict=True):
                count[int(column[row])] -= 1
    return len(owed)


def unseen(split: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The rows of validation and test whose value of a column does not occur in training."""
    known = np.unique(values[split == TRAIN])
    return np.flatnonzero((split != TRAIN) & ~np.isin(values, known))
