"""Unknown tokens in the data report: how much of the texts a tokenizer has no token for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dianji.data.findings import plural, some

#: Share of unknown tokens from which a person is warned …
WARN = 0.05
#: … and from which there is hardly anything to learn from.
LOUD = 0.5
_LABELS = 5  # named in a warning
_ADVICE = (
    "Use a base whose tokenizer knows this script (a multilingual one), or a new base whose tokenizer is fitted to "
    "these texts ({new: transformer, tokenizer: characters}), or clean the texts."
)


def describe_unknown(
    unknown: np.ndarray, tokens: np.ndarray, classes: Sequence[Sequence[str]] | None = None
) -> dict[str, Any]:
    """The entry of one split, as plain values.

    Args:
        unknown: (rows,) tokens that stand for something the tokenizer does not know.
        tokens: (rows,) all tokens of the text.
        classes: names of the classes of each row; None where rows have none.
    """
    entry: dict[str, Any] = {
        "tokens": int(unknown.sum()),
        "of": int(tokens.sum()),
        "share": _share(unknown, tokens),
        "rows": int(((unknown == tokens) & (tokens > 0)).sum()),
    }
    if classes is not None:
        rows: dict[str, list[int]] = {}
        for row, names in enumerate(classes):
            for name in names:
                rows.setdefault(name, []).append(row)
        shares = {name: _share(unknown[of], tokens[of]) for name, of in rows.items()}
        entry["labels"] = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    return entry


def together(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The entry of both sets of rows, without labels; None where neither has one."""
    if one is None or other is None:
        return one or other
    entry = {key: one[key] + other[key] for key in ("tokens", "of", "rows")}
    return {**entry, "share": round(entry["tokens"] / max(1, entry["of"]), 4)}


def with_unknown_tokens(report: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The report with ``unknown_tokens``: split -> entry; as it is where the tokenizer has no unknown token."""
    return {**report, "unknown_tokens": dict(found)} if found else dict(report)


def warnings_of_unknown(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A warning for each split, or for labels of it, from 5 % of unknown tokens; a loud one from 50 %."""
    told = []
    for split, entry in found.items():
        if entry["share"] >= WARN:
            told.append(_of_split(split, entry))
        elif of_labels := {name: share for name, share in entry.get("labels", {}).items() if share >= WARN}:
            listed = some((f"'{name}' {share:.0%}" for name, share in of_labels.items()), _LABELS)
            loud = "MOST TOKENS OF A LABEL ARE UNKNOWN: " if max(of_labels.values()) >= LOUD else ""
            told.append(f"{split}: {loud}labels whose texts the tokenizer does not know: {listed}. {_ADVICE}")
    return told


def _of_split(split: str, entry: Mapping[str, Any]) -> str:
    loud = "MOST TOKENS ARE UNKNOWN: " if entry["share"] >= LOUD else ""
    whole = f"; {plural(entry['rows'], 'row')} hold nothing else" if entry["rows"] else ""
    labels = [f"'{name}' {share:.0%}" for name, share in entry.get("labels", {}).items() if share >= WARN]
    of = f" (by label: {some(labels, _LABELS)})" if labels else ""
    return (
        f"{split}: {loud}{entry['tokens']:,} of {entry['of']:,} tokens ({entry['share']:.1%}) are unknown to the "
        f"tokenizer, so that the model cannot tell what they are{whole}{of}. {_ADVICE}"
    )


def _share(unknown: np.ndarray, tokens: np.ndarray) -> float:
    return round(float(unknown.sum()) / max(1, int(tokens.sum())), 4)
