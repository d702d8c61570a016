"""Near-duplicates among a task's rows: how many, across which splits, and whether their targets agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dianji.data.findings import Findings, plural
from dianji.data.quality.likeness import Apart, Effort, Likeness
from dianji.data.quality.pairs import Measure, Pairs, across, within
from dianji.data.quality.texts import LEAST, NARROW, WIDE, Shingled
from dianji.data.rows import EXAMPLES, Rows
from dianji.data.source import SPLITS

#: Pairs that are listed; all are counted.
LISTED = 1000

_TEXTS = (
    f"Jaccard similarity of at least {LEAST} between sets of {NARROW} characters ({WIDE} in Chinese, Japanese, Korean "
    "and Thai), found by MinHash, verified exactly"
)


#: What every run can afford: seconds.
QUICK = Effort(inputs=100_000, characters=10_000_000, pictures=5_000, pixels=300_000_000)
#: What somebody who asks waits for: a minute or two.
THOROUGH = Effort(inputs=500_000, characters=60_000_000, pictures=50_000, pixels=6_000_000_000)


@dataclass(frozen=True)
class Inputs:
    """Different inputs, each standing for all rows that hold it (equal rows are the data report's business)."""

    first: np.ndarray  # (inputs,) int64: the first row of each
    trains: np.ndarray  # (inputs,) bool: whether one of its rows is in the training split
    among: int  # inputs there are, of which these were chosen


def near_duplicates(rows: Rows, findings: Findings, effort: Effort) -> dict[str, Any]:
    """The report. Held-out inputs that nearly repeat training become a warning, as do differing labels.

    Texts of all input columns are compared together, else the first column whose kind can compare its values; input
    columns that are not compared must be equal. Rows with the same value of a shared column, such as questions about
    one context, are no near-duplicates: the data report counts them. Empty where nothing can be compared.

    Raises:
        DataError: a value is damaged.
    """
    texts = rows.texts()
    name, likeness = ("", None) if texts else _comparable(rows)
    if texts:
        method, inputs = _TEXTS, _inputs(rows, effort.inputs)
        measure, read = _of_texts(texts, inputs, effort)
    elif likeness is not None:
        filled = np.flatnonzero(~rows.content.empty)
        method, inputs = likeness.method, _inputs(rows, likeness.most(rows.table[name], filled, rows.sources, effort))
        measure, read = _of_values(rows, name, likeness, inputs), {}
    else:
        return {}
    others = [other for other in rows.inputs() if other != name and other not in texts]
    if others:
        measure = Apart(measure, rows.codes(others)[inputs.first])
    if shared := [other for other in rows.inputs() if rows.columns[other].shared]:
        measure = Apart(measure, rows.codes(shared)[inputs.first], equal=False)
    like = within(measure)
    pairs = _rows_of(like, inputs)
    return {
        "method": method,
        "looked_at": {"inputs": len(inputs.first), "of": inputs.among, **read},
        **_groups(like, inputs),
        "rows": _listed(rows, pairs),
        "conflicts": _conflicts(rows, pairs, findings),
        "leakage": _leakage(rows, inputs, measure, findings),
    }


def _inputs(rows: Rows, most: int) -> Inputs:
    content = rows.content
    filled = np.flatnonzero(~content.empty)
    keys, first = np.unique(content.key[filled], return_index=True)
    first = np.sort(filled[first])
    trains = np.isin(content.key[first], content.key[filled[rows.split[filled] == 0]])
    if len(first) <= most:
        return Inputs(first, trains, len(keys))
    # Held-out inputs first, but no more than half: they need others to be like.
    rank = np.lexsort((content.order[first], trains))
    held_out = rank[: min(int((~trains).sum()), most // 2)]
    training = rank[int((~trains).sum()) :][: most - len(held_out)]
    chosen = np.sort(np.concatenate([held_out, training]))
    return Inputs(first[chosen], trains[chosen], len(keys))


def _comparable(rows: Rows) -> tuple[str, Likeness | None]:
    """The first input column whose kind can compare its values."""
    found = ((name, rows.columns[name].of.likeness()) for name in rows.inputs())
    return next(((name, likeness) for name, likeness in found if likeness is not None), ("", None))


def _of_values(rows: Rows, name: str, likeness: Likeness, inputs: Inputs) -> Measure:
    values = [rows.table[name][row].as_py() for row in inputs.first.tolist()]
    return likeness.measure(values, [str(rows.sources[row]) for row in inputs.first.tolist()])


def _of_texts(texts: Mapping[str, list[str]], inputs: Inputs, effort: Effort) -> tuple[Measure, Mapping[str, int]]:
    """How alike the texts are, and how much of each was read if not all."""
    chosen = ["\n".join(column[row] for column in texts.values()) for row in inputs.first.tolist()]
    longest = max((len(text) for text in chosen), default=0)
    most = effort.characters // max(1, len(chosen))
    whole = sum(len(text) for text in chosen) <= effort.characters
    return Shingled.of(chosen, longest if whole else most), {} if whole else {"characters": most}


def _rows_of(pairs: Pairs, inputs: Inputs) -> Pairs:
    """Pairs of inputs as pairs of rows, in the order of rows."""
    left, right = inputs.first[pairs.left], inputs.first[pairs.right]
    left, right = np.minimum(left, right), np.maximum(left, right)
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], pairs.likeness[order])


def _groups(like: Pairs, inputs: Inputs) -> dict[str, int]:
    """How many groups of like inputs there are, and how many inputs stand in them beyond the first."""
    sizes = np.bincount(like.groups(len(inputs.first))) if len(inputs.first) else np.zeros(0, dtype=np.int64)
    return {"groups": int((sizes > 1).sum()), "count": int((sizes[sizes > 1] - 1).sum())}


def _conflicts(rows: Rows, pairs: Pairs, findings: Findings) -> dict[str, Any]:
    """Pairs with different classes; each group that disagrees has at least one."""
    if not rows.classified:
        return {"count": 0, "rows": []}
    target = rows.content.target
    differ = (target[pairs.left] != target[pairs.right]) & rows.classified
    clashing = Pairs(pairs.left[differ], pairs.right[differ], pairs.likeness[differ])
    listed = [
        {**entry, "labels": [rows.target(left), rows.target(right)]}
        for entry, left, right in zip(_listed(rows, clashing), clashing.left, clashing.right, strict=False)
    ]
    if listed:
        told = [f"{entry['row']} ({entry['labels'][0]}) ~ {entry['like']} ({entry['labels'][1]})" for entry in listed]
        count = plural(len(clashing.left), "pair")
        findings.warn(f"{count} of nearly equal rows with different labels: {_told(told, len(clashing.left))}")
    return {"count": len(clashing.left), "rows": listed}


def _leakage(rows: Rows, inputs: Inputs, measure: Measure, findings: Findings) -> dict[str, Any]:
    """Inputs of validation and test that nearly repeat one of training; equal ones are the data report's leakage."""
    targets = np.flatnonzero(inputs.trains)
    report: dict[str, Any] = {}
    for code, name in enumerate(SPLITS[1:], start=1):
        queries = np.flatnonzero(~inputs.trains & (rows.split[inputs.first] == code))
        leaked = across(measure, queries, targets)
        pairs = Pairs(inputs.first[leaked.left], inputs.first[leaked.right], leaked.likeness)
        listed = _listed(rows, pairs)
        if listed:
            told = [f"{entry['row']} ~ {entry['like']}" for entry in listed]
            repeats = "repeats" if len(pairs.left) == 1 else "repeat"
            findings.warn(
                f"{plural(len(pairs.left), 'input')} of {name} nearly {repeats} one of training: "
                f"{_told(told, len(pairs.left))}"
            )
        report[name] = {"count": len(pairs.left), "rows": listed}
    return report


def _listed(rows: Rows, pairs: Pairs) -> list[dict[str, Any]]:
    return [
        {
            "row": rows.sources[int(left)].as_py(),
            "like": rows.sources[int(right)].as_py(),
            "likeness": round(float(likeness), 4),
        }
        for left, right, likeness in zip(
            pairs.left[:LISTED], pairs.right[:LISTED], pairs.likeness[:LISTED], strict=True
        )
    ]


def _told(entries: list[str], count: int) -> str:
    return "; ".join(entries[:EXAMPLES]) + (f"; and {count - EXAMPLES:,} more" if count > EXAMPLES else "")
