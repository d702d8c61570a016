"""Names of classes across splits: enough to learn from, and none that training has never seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.source import SOURCE
from dianji.errors import did_you_mean


def check_labels(
    table: pa.Table, split: np.ndarray, columns: Mapping[str, Column], section: str, findings: Findings
) -> None:
    """At least two classes to learn where a row has one, and none in validation or test that training lacks.

    Args:
        table: rows of all splits.
        split: (rows,) numbers into ``SPLITS``.
        columns: the task's.
        section: where the recipe describes the data.
        findings: gets the faults.
    """
    for name, column in columns.items():
        if not column.target or column.of.categories == "none" or name not in table.column_names:
            continue
        classes = column.of.classes(table[name]).to_pylist()
        known = {label for row in np.flatnonzero(split == 0).tolist() for label in classes[row]}
        if column.of.categories == "one" and len(known) < 2:
            only = f"the only label is '{next(iter(known))}'" if known else "there is no label"
            findings.fault(
                f"{section}: nothing can be learnt from the training split: {only}; at least two are needed. "
                "Check columns, drop and the file."
            )
            continue
        held_out = {row: classes[row] for code in (1, 2) for row in np.flatnonzero(split == code).tolist()}
        _check_known(table[SOURCE], held_out, known, section, findings)


def _check_known(
    sources: pa.ChunkedArray,
    held_out: Mapping[int, Collection[str]],
    known: set[str],
    section: str,
    findings: Findings,
) -> None:
    hints: dict[str, str] = {}
    for row, labels in held_out.items():
        for label in dict.fromkeys(labels):
            if label not in known:
                hint = hints.setdefault(label, did_you_mean(label, known).split("Known:")[0])
                findings.fault(
                    f"{sources[row]}: label '{label}' is not among the {len(known)} labels of the training split. "
                    f"{hint}Fix the row, or list it under {section}.drop."
                )
