"""Scores by slice: by length, by language, by the number of training rows of a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dianji.data.columns.base import column_kind
from dianji.data.language import language_of
from dianji.evaluate.outcome import Outcome
from dianji.evaluate.proportion import wilson
from dianji.report.blocks import Block, Paragraph, Table, Text, Words
from dianji.report.rows import SourceRows
from dianji.report.section import Section
from dianji.report.sections.mistakes import changed, without_rows
from dianji.report.subject import Subject
from dianji.report.wording import INTERVAL, ROWS, interval, number

#: Slices of fewer rows than this say nothing.
_LEAST = 10


@dataclass(frozen=True)
class Slice:
    """Some of the recorded rows."""

    by: Words
    name: Text
    rows: np.ndarray  # (rows of the slice,) int64 into the record


def tell(subject: Subject) -> Sequence[Block] | None:
    """From the record; slices by the contents of rows need the data."""
    outcome = subject.record.outcome if subject.record else None
    hits = outcome.right() if outcome else None
    if outcome is None or hits is None:
        return None
    training = subject.evidence("data").get("labels", {}).get("train", {})
    found = list(by_frequency(outcome, training))
    notes: list[Block] = []
    if isinstance(subject.rows, Words):
        notes = [without_rows(subject.rows)]
    elif column_kind(subject.rows.kind).modality == "text":
        notes = changed(subject.rows)
        found += [*by_length(subject.rows), *by_language(subject.rows)]
    found = [of for of in found if len(of.rows) >= _LEAST]
    return [*notes, *_blocks(hits, found)] if found or notes else None


def by_frequency(outcome: Outcome, training: Mapping[str, int]) -> Iterator[Slice]:
    """Labels with few, more and most training rows: four groups of about as many labels."""
    truth, labels = outcome.truth(), outcome.plain().get("labels", ())
    if truth is None or len(labels) < 4 or not training:
        return
    counts = np.array([training.get(label, 0) for label in labels])
    by = Words("training rows of the true label", "真实标签的训练行数")
    yield from _quarters(by, counts[truth], np.quantile(counts, [0.25, 0.5, 0.75]))


def by_length(rows: SourceRows) -> Iterator[Slice]:
    """Four groups of about as many rows, the shortest first."""
    there = rows.place >= 0
    edges = np.quantile(rows.length[there], [0.25, 0.5, 0.75])
    values = np.where(there, rows.length, -1)
    yield from _quarters(Words("characters", "字符数"), values, edges)


def by_language(rows: SourceRows) -> Iterator[Slice]:
    """Where the texts are in more than one."""
    there = np.flatnonzero(rows.place >= 0)
    languages = np.array([language_of(str(rows.value(row))) for row in there.tolist()])
    names, counts = np.unique(languages, return_counts=True)
    if (counts >= _LEAST).sum() < 2:
        return
    for name in names.tolist():
        label = Words("undecided", "无法判定") if name == "und" else name
        yield Slice(Words("language", "语言"), label, there[languages == name])


def _quarters(by: Words, values: np.ndarray, edges: np.ndarray) -> Iterator[Slice]:
    """Groups between the edges, named by the values that occur in them; negative values mean no value."""
    group = np.where(values < 0, -1, np.searchsorted(np.unique(edges), values, side="left"))
    for which in np.unique(group[group >= 0]):
        chosen = np.flatnonzero(group == which)
        low, high = int(values[chosen].min()), int(values[chosen].max())
        yield Slice(by, f"{low:,} – {high:,}" if low < high else f"{low:,}", chosen)


def _blocks(hits: np.ndarray, found: Sequence[Slice]) -> list[Block]:
    if not found:
        return []
    overall = float(hits.mean())
    rows = tuple(_row(of, hits[of.rows], overall, len(found)) for of in found)
    header = (Words("slice by", "切分依据"), Words("slice", "切片"), ROWS, Words("right", "正确率"), INTERVAL, "")
    how = Words(
        f"Of all {len(hits):,} rows, {number(overall)} are right. Intervals are Wilson's. A slice is marked only "
        f"where an interval widened for looking at {len(found)} slices (Bonferroni) leaves that value out; without a "
        "mark the difference may be chance.",
        f"全部 {len(hits):,} 行的正确率是 {number(overall)}。区间按 Wilson 方法计算。"
        f"只有按 {len(found)} 个切片做 Bonferroni 放宽后区间仍不含该值的切片才会标出；没有标出的差别可能只是偶然。",
    )
    caption = Words("Share of rows that are right, slice by slice", "各切片的正确率")
    return [Table(caption, header, rows, frozenset({2, 3, 4})), Paragraph(how)]


def _row(of: Slice, hits: np.ndarray, overall: float, slices: int) -> tuple[Text, ...]:
    share = wilson(int(hits.sum()), len(hits))
    wide = wilson(int(hits.sum()), len(hits), 1 - 0.05 / slices)
    mark: Text = ""
    if wide.high < overall:
        mark = Words("below the whole", "低于整体")
    elif wide.low > overall:
        mark = Words("above the whole", "高于整体")
    return of.by, of.name, f"{share.n:,}", number(share.value), interval(share.to_json()), mark


SLICES = Section(Words("Slices", "切片"), tell)
