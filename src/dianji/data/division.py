"""A table to its splits: what is given stays, the rest is divided as the recipe says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.content import Content
from dianji.data.findings import Findings, plural, some
from dianji.data.kinds import is_string
from dianji.data.source import SOURCE, SPLIT, SPLITS
from dianji.data.splits import Keys, Shares, divide
from dianji.errors import DataError, did_you_mean
from dianji.spec.sections import Data


@dataclass(frozen=True)
class Divider:
    """What the division of one table needs to know."""

    spec: Data
    columns: Mapping[str, Column]
    seed: int
    section: str

    def label(self) -> str | None:
        """The task's column with one label per row, if it has one."""
        return next((name for name, column in self.columns.items() if column.kind == "label" and column.target), None)

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
        keys = Keys(
            order=content.order[rest],
            classes=self._classes(table, rest, shares, findings),
            groups=_sorted_codes(table["__group__"].take(rest)) if "__group__" in table.column_names else None,
            times=_times(table["__time__"].take(rest), table[SOURCE].take(rest), self.section)
            if "__time__" in table.column_names
            else None,
        )
        try:
            result[rest] = divide(keys, shares, self.seed)
        except DataError as error:
            raise DataError(f"{self.section}.split: {error}") from None
        if "__group__" in table.column_names:
            self._check_groups(table, result, findings)
        return result

    def _shares(self, given: np.ndarray, findings: Findings) -> Shares:
        usual = (0.1, 0.2) if any(column.target for column in self.columns.values()) else (0.05, 0.05)
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
        return Shares(*wanted)

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


def check_labels(
    splits: Mapping[str, pa.Table], columns: Mapping[str, Column], section: str, findings: Findings
) -> None:
    """At least two labels to learn, and none in validation or test that training lacks."""
    for name, column in columns.items():
        if not column.target or column.kind not in ("label", "labels"):
            continue
        known = {label for labels in _lists(splits["train"][name]) for label in labels}
        if column.kind == "label" and len(known) < 2:
            only = f"the only label is '{next(iter(known))}'" if known else "there is no label"
            findings.fault(
                f"{section}: nothing can be learnt from the training split: {only}; at least two are needed. "
                "Check columns, drop and the file."
            )
            continue
        for split in ("validation", "test"):
            if split in splits:
                _check_known(splits[split], name, known, section, findings)


def _check_known(table: pa.Table, name: str, known: set[str], section: str, findings: Findings) -> None:
    hints: dict[str, str] = {}
    for row, labels in enumerate(_lists(table[name])):
        for label in labels:
            if label not in known:
                hint = hints.setdefault(label, did_you_mean(label, known).split("Known:")[0])
                findings.fault(
                    f"{table[SOURCE][row]}: label '{label}' is not among the {len(known)} labels of the training "
                    "split. "
                    f"{hint}Fix the row, or list it under {section}.drop."
                )


def _lists(column: pa.ChunkedArray) -> list[Sequence[str]]:
    values = column.to_pylist()
    if pa.types.is_list(column.type):
        return [value or () for value in values]
    return [() if value is None else (value,) for value in values]


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


def _times(column: pa.ChunkedArray, sources: pa.ChunkedArray, section: str) -> np.ndarray:
    """Numbers or moments that sort; texts are numbers throughout, or ISO 8601 throughout."""
    missing = [str(sources[row]) for row in np.flatnonzero(np.asarray(column.is_null().to_numpy(), dtype=bool))]
    if missing:
        raise DataError(
            f"{section}.split.time: no time in {some(missing)}. Fill it in, or leave these rows out of the file."
        )
    if not is_string(column.type):
        if pa.types.is_temporal(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return np.asarray(column.to_numpy())
        raise DataError(
            f"{section}.split.time: the column holds {column.type} where numbers, dates or ISO 8601 texts are expected."
        )
    texts = column.to_pylist()
    parsed = [_moment(text) for text in texts]
    numbers = [_number(text) for text in texts]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    wrong = [f"{sources[row]} ('{texts[row]}')" for row, value in enumerate(parsed) if value is None]
    if wrong:
        raise DataError(
            f"{section}.split.time: neither ISO 8601 (2026-03-31, 2026-03-31T18:00:00+02:00) nor numbers: "
            f"{some(wrong)}. Write all times in one way."
        )
    return np.array(parsed, dtype=np.float64)


def _moment(text: str) -> float | None:
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
