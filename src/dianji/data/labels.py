"""Labels across splits: enough to learn from, and none that training has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from dianji.data.columns import Column
from dianji.data.findings import Findings
from dianji.data.source import SOURCE
from dianji.errors import did_you_mean


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
