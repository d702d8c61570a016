"""Precision, recall and F1 of every label, the weakest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dianji.report.blocks import Block, Table, Text, Words
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import INTERVAL, ROWS, both, interval, named, number


def tell(subject: Subject) -> Sequence[Block] | None:
    """From ``evidence/metrics.json``; nothing for tasks without classes."""
    labels: Mapping[str, Any] = subject.measured.get("classes", {}).get(subject.split, {}).get("labels", {})
    if not labels or subject.split is None:
        return None
    weakest = sorted(labels.items(), key=lambda item: (item[1]["f1"]["value"], item[0]))
    split = both(named(subject.split))
    header: tuple[Text, ...] = (Words("label", "标签"), ROWS, "F1", INTERVAL, named("precision"), named("recall"))
    caption = Words(f"Labels on {split.en}, the weakest first", f"{split.zh}上的各个标签，最弱的在前")
    return [Table(caption, header, tuple(_row(label, of) for label, of in weakest), frozenset(range(1, 6)))]


def _row(label: str, figures: Mapping[str, Mapping[str, Any]]) -> tuple[Text, ...]:
    f1 = figures["f1"]
    rest = (number(figures[name]["value"]) for name in ("precision", "recall"))
    return label, f"{f1['n']:,}", number(f1["value"]), interval(f1), *rest


CLASSES = Section(Words("Labels one by one", "逐个标签"), tell)
