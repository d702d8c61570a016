"""The division of one table: given rows stay, the rest goes by shares, strata, groups or time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import Content
from dianji.data.findings import Findings, plural, some
from dianji.data.source import SOURCE, SPLIT, SPLITS
from dianji.data.splits import Keys, Shares, divide
from dianji.data.times import numbers_of
from dianji.data.transductive import keep_known, unseen
from dianji.errors import DataError
from dianji.spec.data import Data

#: Usual fractions of validation and test, where a task has targets …
LABELLED = (0.1, 0.2)
#: … and where it has none.
UNLABELLED = (0.05, 0.05)


@dataclass(frozen=True)
class Divider:
    """What the division of one table needs to know."""

    spec: Data
    columns: Mapping[str, Column]
    seed: int
    section: str

    def label(self) -> str | None:
        """The task's column with one label per row, if it has one."""
        return next(
            (name for name, column in self.columns.items() if column.target and column.of.categories == "one"), None
        )

    def divide(self, table: pa.Table, content: Content, findings: Findings) -> np.ndarray:
        """The number of its split (into ``SPLITS``) for each row, as int8.

        Raises:
            DataError: the rows cannot be divided so.
        """
        given = _given(table, findings)
        shares = self._shares(given, findings)
        result = np.where(given < 0, 0, given).astype(np.int8)
        rest = np.flatnonzero(result == 0)
        if not len(rest):
            raise DataError(f"{self.section}: no rows are left to train on. Check path, split, clean and drop.")
        keys = self._keys(table, rest, content, self._classes(table, rest, shares, findings))
        try:
            result[rest] = divide(keys, shares, self.seed)
        except DataError as error:
            raise DataError(f"{self.section}.split: {error}") from None
        if "__group__" in table.column_names:
            self._check_groups(table, result, findings)
        if keys.within is not None and shares.last is not None:
            self._tell_whole(keys.within, result[rest], findings)
        if self.spec.split.known:
            self._keep_known(table, result, rest[np.argsort(keys.order, kind="stable")], findings)
        return result

    def _keys(self, table: pa.Table, rest: np.ndarray, content: Content, classes: np.ndarray | None) -> Keys:
        """The keys by which the rows ``rest`` are divided."""

        def given(role: str) -> pa.ChunkedArray | None:
            name = f"__{role}__"
            return table[name].take(rest) if name in table.column_names else None

        group, time, within = given("group"), given("time"), given("within")
        sources = table[SOURCE].take(rest)
        missing = [] if within is None else [row for row, value in enumerate(within.to_pylist()) if value in (None, "")]
        if missing:
            raise DataError(
                f"{self.section}.split.within: no value of '{self.spec.split.within}' in "
                f"{some(str(sources[row]) for row in missing)}. Fill it in, or leave these rows out."
            )
        return Keys(
            order=content.order[rest],
            classes=classes,
            groups=None if group is None else _sorted_codes(group),
            times=None if time is None else numbers_of(time, sources, self.section),
            within=None if within is None else _sorted_codes(within),
        )

    def _shares(self, given: np.ndarray, findings: Findings) -> Shares:
        usual = LABELLED if any(column.target for column in self.columns.values()) else UNLABELLED
        wanted = []
        for code, value, default in ((1, self.spec.split.validation, usual[0]), (2, self.spec.split.test, usual[1])):
            if isinstance(value, str) or (given == code).any():
                if isinstance(value, float):
                    findings.warn(
                        f"{self.section}.split.{SPLITS[code]}: {value} has no effect, because the data comes with "
                        f"rows for {SPLITS[code]}"
                    )
                wanted.append(0.0)
            else:
                wanted.append(default if value is None else value)
        split = self.spec.split
        if split.folds is not None and not wanted[1]:
            raise DataError(
                f"{self.section}.split.folds: the data comes with rows for the test, and a fold of the others would be "
                "a second one. Leave out folds, or those rows."
            )
        return Shares(wanted[0], wanted[1], last=split.last, folds=split.folds, fold=(split.fold or 1) - 1)

    def _classes(self, table: pa.Table, rest: np.ndarray, shares: Shares, findings: Findings) -> np.ndarray | None:
        split = self.spec.split
        explicit = "__stratify__" in table.column_names
        label = self.label()
        if not explicit and (label is None or split.group or split.time):
            return None
        column = table["__stratify__" if explicit else label].take(rest)
        if pa.types.is_list(column.type):
            raise DataError(
                f"{self.section}.split.stratify: '{split.stratify}' holds several labels per row, which cannot "
                "all keep their shares. Name another column."
            )
        classes = _sorted_codes(column)
        if shares.validation + shares.test:
            self._check_single(column, classes, table[SOURCE].take(rest), explicit, findings)
        return classes

    def _check_single(
        self, column: pa.ChunkedArray, classes: np.ndarray, sources: pa.ChunkedArray, explicit: bool, findings: Findings
    ) -> None:
        sizes = np.bincount(classes)
        single = np.flatnonzero(sizes[classes] == 1).tolist()
        if not single:
            return
        listed = some(f"'{column[row]}' ({sources[row]})" for row in single)
        if not explicit:
            findings.warn(f"{plural(len(single), 'label')} with one row, which trains and is not tested: {listed}")
            return
        raise DataError(
            f"{self.section}.split.stratify: {plural(len(single), 'value')} of '{self.spec.split.stratify}' with "
            "one row cannot keep a share in every split: "
            f"{listed}. Add rows, list the label under {self.section}.drop, or leave out stratify: then such a "
            "row trains."
        )

    def _tell_whole(self, within: np.ndarray, split: np.ndarray, findings: Findings) -> None:
        """Warn of values with too few rows for the test."""
        tested = np.unique(within[split > 0])
        whole = len(np.unique(within)) - len(tested)
        if whole:
            findings.warn(
                f"{self.section}.split.last: {plural(whole, 'value')} of '{self.spec.split.within}' with too few rows "
                f"for the test: all of their rows train ({len(tested):,} are tested)"
            )

    def _keep_known(self, table: pa.Table, result: np.ndarray, movable: np.ndarray, findings: Findings) -> None:
        """Move rows with unseen values to training; report those of given rows, which cannot move."""
        names = self.spec.split.known
        values = [_sorted_codes(table[f"__transductive.{place}__"]) for place in range(len(names))]
        lost = keep_known(result, values, movable)
        if lost:
            findings.warn(
                f"{self.section}.split.transductive: {plural(lost, 'row')} more train, because they hold values that "
                "no other training row has"
            )
        for name, column in zip(names, values, strict=True):
            rows = unseen(result, column)
            if len(rows):
                listed = some(f"{table[SOURCE][row]} ({SPLITS[result[row]]})" for row in rows.tolist())
                findings.fault(
                    f"{self.section}.split.transductive: rows given for validation or test hold values of '{name}' "
                    f"that no training row has: {listed}. Take these rows out, or leave out transductive."
                )

    def _check_groups(self, table: pa.Table, result: np.ndarray, findings: Findings) -> None:
        """Given files may break what ``group`` promises; that is said, not hidden."""
        values = table["__group__"]
        known = np.asarray(values.is_valid().to_numpy(), dtype=bool)
        groups = _sorted_codes(values)
        training = np.unique(groups[known & (result == 0)])
        broken = np.flatnonzero(known & (result > 0) & np.isin(groups, training))
        if len(broken):
            listed = some(f"'{values[row]}' ({table[SOURCE][row]}, {SPLITS[result[row]]})" for row in broken.tolist())
            findings.fault(
                f"{self.section}.split.group: rows given for validation or test belong to values of "
                f"'{self.spec.split.group}' that also train: {listed}. "
                "Take them out of one of the files, or leave out group."
            )


def as_given(table: pa.Table, findings: Findings) -> np.ndarray:
    """The splits that rows come with, as int8; other rows count as training, and so do all where none trains."""
    given = _given(table, findings)
    return np.where(given > 0, given, 0).astype(np.int8) if (given <= 0).any() else np.zeros_like(given)


def _given(table: pa.Table, findings: Findings) -> np.ndarray:
    """The split that each row comes with; -1 where it comes with none."""
    if SPLIT not in table.column_names:
        return np.full(table.num_rows, -1, dtype=np.int8)
    numbers = {name: code for code, name in enumerate(SPLITS)}
    return np.array([numbers.get(split, -1) for split in table[SPLIT].to_pylist()], dtype=np.int8)


def _sorted_codes(column: pa.ChunkedArray) -> np.ndarray:
    """0, 1, … by sorted value, so that the numbers do not depend on the order of rows; null is a value of its own."""
    values = column.to_pylist()
    number = {value: code for code, value in enumerate(sorted(set(values), key=repr))}
    return np.fromiter((number[value] for value in values), dtype=np.int64, count=len(values))
