"""Which rows train, validate and test: by fractions, in proportion, by group, by time, in folds. Arrays only.

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
    """Fractions of the rows; 0 where a split is not wanted or given otherwise.

    ``last`` takes the place of the fractions within a value; ``folds`` that of the test fraction, and ``fold`` (from 0)
    is the part that tests.
    """

    validation: float
    test: float
    last: int | None = None
    folds: int | None = None
    fold: int = 0

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
    within: np.ndarray | None = None  # (rows,) integers from 0

    def of(self, rows: np.ndarray) -> Keys:
        """The keys of some rows; classes and groups are numbered anew."""
        return Keys(
            order=self.order[rows],
            classes=_numbered(self.classes, rows),
            groups=_numbered(self.groups, rows),
            times=None if self.times is None else self.times[rows],
            within=_numbered(self.within, rows),
        )


def _numbered(codes: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if codes is None else np.unique(codes[rows], return_inverse=True)[1]


def divide(keys: Keys, shares: Shares, seed: int) -> np.ndarray:
    """0 (train), 1 (validation) or 2 (test) for each row, as int8. The same keys and seed give the same division.

    Raises:
        DataError: too few rows or groups, or keys that contradict each other.
    """
    if keys.times is not None and keys.classes is not None:
        raise DataError("a split by time cannot also keep labels in proportion. Give one of time and stratify.")
    rng = np.random.Generator(np.random.PCG64(seed))
    rank = np.empty(len(keys.order), dtype=np.int64)
    rank[rng.permutation(len(rank))] = np.argsort(keys.order, kind="stable")  # rank[i]: the row that comes i-th
    if shares.folds is not None:
        return _one_fold(keys, shares, shares.folds, rank, seed)
    if keys.times is not None and keys.within is not None:
        return _within(keys.within, np.lexsort((keys.order, keys.times))[::-1], shares)
    if keys.times is not None and keys.groups is not None:
        return _by_group_in_time(keys.groups, keys.times, shares)
    if keys.times is not None:
        return _by_time(keys.times, keys.order, shares)
    if keys.groups is not None:
        return _by_group(keys.groups, keys.classes, shares, seed)
    if keys.classes is not None:
        return _in_proportion(keys.classes, shares, rank)
    return _at_random(shares, rank)


def _one_fold(keys: Keys, shares: Shares, folds: int, rank: np.ndarray, seed: int) -> np.ndarray:
    """The part that tests; validation is taken from the others. Over all folds every row tests once.

    A class with one row trains in every fold.
    """
    codes = np.zeros(len(rank), dtype=np.int8)
    codes[_folds(keys, folds, rank, seed) == shares.fold] = TEST
    rest = np.flatnonzero(codes == TRAIN)
    if shares.validation:
        left = Shares(shares.validation * len(rank) / len(rest), 0.0)
        codes[rest] = divide(keys.of(rest), left, seed)
    return codes


def _folds(keys: Keys, folds: int, rank: np.ndarray, seed: int) -> np.ndarray:
    """(rows,) the fold in which each row tests; -1: in none."""
    units = len(rank) if keys.groups is None else int(keys.groups.max()) + 1
    if units < folds:
        what = "rows" if keys.groups is None else "groups"
        raise DataError(f"{units} {what} cannot be divided into {folds} folds. Ask for fewer.")
    if keys.groups is not None:
        inside, largest_first = _groups(keys.groups, keys.classes, seed)
        each = np.full((folds, 1), 1.0 / folds) * inside.sum(axis=0)
        return np.asarray(_assign(inside, largest_first, each)[keys.groups])
    found = np.empty(len(rank), dtype=np.int64)
    if keys.classes is None:
        found[rank] = np.arange(len(rank)) % folds
        return found
    ordered = rank[np.argsort(keys.classes[rank], kind="stable")]  # class by class, each in random order
    found[ordered] = np.arange(len(rank)) % folds
    found[np.bincount(keys.classes)[keys.classes] == 1] = -1
    return found


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


def _by_group_in_time(groups: np.ndarray, times: np.ndarray, shares: Shares) -> np.ndarray:
    """Whole groups in the order of their newest rows: the newest groups test, to the row count closest to the share."""
    validation, test = shares.counts(len(groups))
    wanted = [(TEST, test), (VALIDATION, validation)]
    by_time = np.argsort(times, kind="stable")
    place = np.empty(len(times), dtype=np.int64)
    place[by_time] = np.cumsum(np.append(0, np.diff(times[by_time]) != 0))  # equal times have equal places
    newest = np.full(groups.max() + 1, -1)
    np.maximum.at(newest, groups, place)
    sizes = np.bincount(groups)
    queue = np.argsort(newest, kind="stable")[::-1].tolist()
    if len(queue) < 1 + sum(bool(rows) for _, rows in wanted):
        raise _too_few_groups(len(queue), 1 + sum(bool(rows) for _, rows in wanted))
    assigned = np.zeros(len(sizes), dtype=np.int8)
    for number, (split, rows) in enumerate(wanted):
        held, still = 0, sum(bool(rows) for _, rows in wanted[number + 1 :])
        while rows and len(queue) > 1 + still and (not held or abs(held + sizes[queue[0]] - rows) <= rows - held):
            held += sizes[queue[0]]
            assigned[queue.pop(0)] = split
    codes: np.ndarray = assigned[groups]
    return codes


def _within(values: np.ndarray, newest_first: np.ndarray, shares: Shares) -> np.ndarray:
    """Each value gives its newest rows to the test and those before to validation, and keeps at least one to train."""
    sizes = np.bincount(values)
    if shares.last is None:
        validation, test = shares.counts(len(values))
        tests = proportional(sizes, test, np.maximum(sizes - 1, 0))
        validations = proportional(sizes, validation, np.maximum(sizes - 1 - tests, 0))
    else:
        asked = [shares.last if share else 0 for share in (shares.test, shares.validation)]
        enough = sizes > sum(asked)
        if not enough.any():
            raise DataError(
                f"no value of within has more than {sum(asked)} rows, of which {shares.last} would test. Lower last, "
                "or leave out within."
            )
        tests, validations = (np.where(enough, count, 0) for count in asked)
    return _first_of_each(values, newest_first, tests, validations)


def _in_proportion(classes: np.ndarray, shares: Shares, rank: np.ndarray) -> np.ndarray:
    """Every class gives its share to within one row, and keeps at least one row to train."""
    validation, test = shares.counts(len(classes))
    sizes = np.bincount(classes)
    tests = proportional(sizes, test, np.maximum(sizes - 1, 0))
    validations = proportional(sizes, validation, np.maximum(sizes - 1 - tests, 0))
    return _first_of_each(classes, rank, tests, validations)


def _first_of_each(classes: np.ndarray, rank: np.ndarray, tests: np.ndarray, validations: np.ndarray) -> np.ndarray:
    """Of each class the first rows by ``rank`` test, as many as ``tests`` says, and those after them validate."""
    sizes = np.bincount(classes)
    ordered = rank[np.argsort(classes[rank], kind="stable")]  # class by class, each in the order of ``rank``
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


def _by_group(groups: np.ndarray, classes: np.ndarray | None, shares: Shares, seed: int) -> np.ndarray:
    """Whole groups, the largest first, each to the split that it brings closest to its share of every class.

    With classes this is approximate: no group is cut for the sake of a proportion.
    """
    validation, test = shares.counts(len(groups))
    inside, largest_first = _groups(groups, classes, seed)
    wanted = np.array([len(groups) - validation - test, validation, test]) / len(groups)
    usable = np.flatnonzero(wanted > 0)
    if len(inside) < len(usable):
        raise _too_few_groups(len(inside), len(usable))
    assigned = _assign(inside, largest_first, np.outer(wanted[usable], inside.sum(axis=0)))
    codes: np.ndarray = usable[assigned][groups].astype(np.int8)
    return codes


def _too_few_groups(groups: int, splits: int) -> DataError:
    return DataError(
        f"{groups} groups cannot be divided into {splits} splits without cutting one. Use another group column, or "
        "give files."
    )


def _groups(groups: np.ndarray, classes: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(groups, classes) rows of each class in each group; and the groups, the largest first, equals in random order.

    The order does not depend on what else the rows hold: two tasks on the same groups divide them alike.
    """
    kinds = np.zeros(len(groups), dtype=np.int64) if classes is None else classes
    inside = np.zeros((groups.max() + 1, kinds.max() + 1))
    np.add.at(inside, (groups, kinds), 1.0)
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(len(inside))
    return inside, shuffled[np.argsort(-inside[shuffled].sum(axis=1), kind="stable")]


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
