"""Which rows train, validate and test: by fractions, kept in proportion, by group, or by time. Arrays only.

Without ``stratify`` a task with one label per row is divided in proportion anyway, as far as its classes allow (a class
with one row trains). Named explicitly, a class that cannot be in every split's reach is an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dianji.errors import DataError

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class Shares:
    """Fractions of the rows; 0 where a split is not wanted or given otherwise."""

    validation: float
    test: float

    def counts(self, rows: int) -> tuple[int, int]:
        """Rows of validation and test: rounded, at least one each, and at least one row left to train.

        Raises:
            DataError: the fractions or the rows do not allow it.
        """
        if self.validation + self.test >= 1.0:
            raise DataError(
                f"validation {self.validation} and test {self.test} leave no rows to train: together they must "
                "stay below 1."
            )
        validation, test = (max(1, round(share * rows)) if share else 0 for share in (self.validation, self.test))
        if validation + test >= rows:
            raise DataError(
                f"{rows} rows are too few to be divided into train, validation and test. Add rows, or give files "
                "for validation and test."
            )
        return validation, test


@dataclass(frozen=True)
class Keys:
    """What the division goes by; each an array with an entry per row, or None.

    ``order`` is a rank by the rows' content, so that the division does not depend on how a file is sorted.
    """

    order: np.ndarray  # (rows,) integers
    classes: np.ndarray | None = None  # (rows,) integers from 0
    groups: np.ndarray | None = None  # (rows,) integers from 0
    times: np.ndarray | None = None  # (rows,) anything that sorts


def divide(keys: Keys, shares: Shares, seed: int) -> np.ndarray:
    """0 (train), 1 (validation) or 2 (test) for each row, as int8. The same keys and seed give the same division.

    Raises:
        DataError: too few rows or groups, or keys that contradict each other.
    """
    if keys.times is not None and (keys.groups is not None or keys.classes is not None):
        raise DataError(
            "a split by time cannot also keep groups whole or labels in proportion. Give one of time, or group "
            "and stratify."
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    rank = np.empty(len(keys.order), dtype=np.int64)
    rank[rng.permutation(len(rank))] = np.argsort(keys.order, kind="stable")  # rank[i]: the row that comes i-th
    if keys.times is not None:
        return _by_time(keys.times, keys.order, shares)
    if keys.groups is not None:
        return _by_group(keys.groups, keys.classes, shares, rank)
    if keys.classes is not None:
        return _in_proportion(keys.classes, shares, rank)
    return _at_random(shares, rank)


def _at_random(shares: Shares, rank: np.ndarray) -> np.ndarray:
    validation, test = shares.counts(len(rank))
    codes = np.zeros(len(rank), dtype=np.int8)
    codes[rank[:test]] = TEST
    codes[rank[test : test + validation]] = VALIDATION
    return codes


def _by_time(times: np.ndarray, order: np.ndarray, shares: Shares) -> np.ndarray:
    validation, test = shares.counts(len(times))
    oldest_first = np.lexsort((order, times))
    codes = np.zeros(len(times), dtype=np.int8)
    codes[oldest_first[len(times) - test - validation :]] = VALIDATION
    codes[oldest_first[len(times) - test :]] = TEST
    return codes


def _in_proportion(classes: np.ndarray, shares: Shares, rank: np.ndarray) -> np.ndarray:
    """Every class gives its share to within one row, and keeps at least one row to train."""
    validation, test = shares.counts(len(classes))
    sizes = np.bincount(classes)
    tests = proportional(sizes, test, np.maximum(sizes - 1, 0))
    validations = proportional(sizes, validation, np.maximum(sizes - 1 - tests, 0))
    ordered = rank[np.argsort(classes[rank], kind="stable")]  # class by class, each in random order
    place = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0, 1, … within its class
    of = classes[ordered]
    codes = np.zeros(len(classes), dtype=np.int8)
    codes[ordered[place < tests[of] + validations[of]]] = VALIDATION
    codes[ordered[place < tests[of]]] = TEST
    return codes


def proportional(sizes: np.ndarray, total: int, most: np.ndarray) -> np.ndarray:
    """``total`` items over classes in proportion to ``sizes`` by largest remainders, never more than ``most`` of each.

    Each class gets the floor or the ceiling of its share, unless ``most`` stops it; then the sum may fall short.
    """
    exact = sizes * (total / max(1, sizes.sum()))
    counts: np.ndarray = np.minimum(np.floor(exact + 1e-9).astype(np.int64), most)
    open_ = np.flatnonzero(counts < np.minimum(np.ceil(exact - 1e-9), most))
    by_remainder = open_[np.argsort(counts[open_] - exact[open_], kind="stable")]
    counts[by_remainder[: max(0, total - int(counts.sum()))]] += 1
    return counts


def _by_group(groups: np.ndarray, classes: np.ndarray | None, shares: Shares, rank: np.ndarray) -> np.ndarray:
    """Whole groups, the largest first, each to the split that it brings closest to its share of every class.

    With classes this is approximate: no group is cut for the sake of a proportion.
    """
    validation, test = shares.counts(len(groups))
    kinds = np.zeros(len(groups), dtype=np.int64) if classes is None else classes
    inside = np.zeros((groups.max() + 1, kinds.max() + 1))
    np.add.at(inside, (groups, kinds), 1.0)
    wanted = np.array([len(groups) - validation - test, validation, test]) / len(groups)
    usable = np.flatnonzero(wanted > 0)
    if len(inside) < len(usable):
        raise DataError(
            f"{len(inside)} groups cannot be divided into {len(usable)} splits without cutting one. Use another "
            "group column, or give files."
        )
    seen = groups[rank]
    first = np.unique(seen, return_index=True)[1]
    shuffled = seen[np.sort(first)]  # groups in the random order of their rows
    largest_first = shuffled[np.argsort(-inside[shuffled].sum(axis=1), kind="stable")]
    assigned = _assign(inside, largest_first, np.outer(wanted[usable], inside.sum(axis=0)))
    codes: np.ndarray = usable[assigned][groups].astype(np.int8)
    return codes


def _assign(inside: np.ndarray, order: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(groups, classes) counts -> the split of each group; ``target`` (splits, classes): what each should hold."""
    held = np.zeros_like(target)
    scale = np.maximum(target, 1e-9)
    assigned = np.zeros(len(inside), dtype=np.int64)
    empty = set(range(len(target)))
    for number, group in enumerate(order):
        size = inside[group]
        # What the squared distance from the target grows by, for each split.
        cost = (size * (2.0 * (held - target) + size) / scale).sum(axis=1)
        if len(order) - number <= len(empty):  # the last groups go where there is none yet
            cost[[split for split in range(len(target)) if split not in empty]] = np.inf
        split = int(cost.argmin())
        assigned[group] = split
        held[split] += size
        empty.discard(split)
    return assigned
