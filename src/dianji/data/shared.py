"""Values that rows of several splits share, such as the context of several questions: held-out rows are then easier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dianji.data.findings import Findings, plural
from dianji.data.rows import EXAMPLES, Rows
from dianji.data.source import SPLITS


def shared_values(rows: Rows, names: Mapping[str, str | Sequence[str]], findings: Findings) -> dict[str, Any]:
    """Held-out rows whose value of a shared column also stands in training, by column and split.

    Args:
        rows: all rows.
        names: the task's name of a column -> the data's, where they differ.
        findings: gets a warning for each column and split with such rows.
    """
    return {
        name: {
            split: _told(rows, name, names.get(name, name), code, findings) for code, split in enumerate(SPLITS) if code
        }
        for name in rows.inputs()
        if rows.columns[name].shared
    }


def _told(rows: Rows, name: str, called: str | Sequence[str], code: int, findings: Findings) -> dict[str, Any]:
    values, filled = rows.codes([name]), ~rows.content.empty
    training = np.flatnonzero((rows.split == 0) & filled)
    known, first = np.unique(values[training], return_index=True)
    held_out = np.flatnonzero((rows.split == code) & filled)
    found = held_out[np.isin(values[held_out], known)]
    named = found[:EXAMPLES]
    twins = training[first[np.searchsorted(known, values[named])]]
    pairs = [
        f"{rows.sources[one]} = {rows.sources[two]}" for one, two in zip(named.tolist(), twins.tolist(), strict=True)
    ]
    if len(found):
        column = called if isinstance(called, str) else ", ".join(called)
        share = "shares" if len(found) == 1 else "share"
        more = f"; and {len(found) - EXAMPLES:,} more" if len(found) > EXAMPLES else ""
        findings.warn(
            f"{plural(len(found), 'row')} of {SPLITS[code]} {share} the {name} (column '{column}') with rows of "
            f"training, so that its scores will be too good: {'; '.join(pairs)}{more}. To keep such rows together: "
            f"split: {{group: {column}}}. Where files are given for the splits, leave such rows out of one of them"
        )
    return {"count": len(found), "rows": pairs}
