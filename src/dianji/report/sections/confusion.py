"""Confusions between labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dianji.report.blocks import Block, Figure, Paragraph, Table, Text, Words
from dianji.report.plots import matrix
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import percent

#: Up to so many labels the counts are written out.
_WRITTEN = 12
_PAIRS = 20
_TRUE, _GIVEN = Words("true label", "真实标签"), Words("predicted label", "预测标签")


def tell(subject: Subject) -> Sequence[Block] | None:
    """From ``evidence/metrics.json``; nothing for tasks without classes."""
    found: Mapping[str, Any] = subject.measured.get("classes", {}).get(subject.split, {})
    if "confusion" not in found:
        return None
    labels, counts = list(found["labels"]), np.array(found["confusion"])
    if counts.ndim == 3:
        return [_several(labels, counts)]
    written = [_counts(labels, counts)] if len(labels) <= _WRITTEN else []
    return [_figure(labels, counts), *written, _pairs(labels, counts)]


def _several(labels: Sequence[str], counts: np.ndarray) -> Table:
    """Several labels per row: ``[[neither, wrongly given], [missed, hit]]`` of each."""
    rows = [(label, *(f"{value:,}" for value in of)) for label, of in zip(labels, counts.reshape(-1, 4), strict=True)]
    header = (
        Words("label", "标签"),
        Words("rightly not given", "正确地未给"),
        Words("wrongly given", "错误地给出"),
        Words("missed", "漏掉"),
        Words("hit", "命中"),
    )
    return Table(Words("Decisions on each label", "对每个标签的判断"), header, tuple(rows), frozenset(range(1, 5)))


def _figure(labels: Sequence[str], counts: np.ndarray) -> Figure:
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    right, total = int(np.trace(counts)), int(counts.sum())
    caption = Words(
        "Confusion matrix: the darker a cell, the larger the share of the row's label that is given the column's",
        "混淆矩阵：格子颜色越深，该行标签的行被判为该列标签的比例越大",
    )
    alt = Words(f"{right:,} of {total:,} rows lie on the diagonal", f"{total:,} 行中有 {right:,} 行在对角线上")
    across = Words("predicted label, in the same order", "预测标签（顺序相同）")
    return Figure(matrix(shares, labels, _TRUE, across), caption, alt)


def _counts(labels: Sequence[str], counts: np.ndarray) -> Table:
    header: tuple[Text, ...] = (Words("true \\ predicted", "真实 \\ 预测"), *labels)
    rows = tuple((label, *(f"{value:,}" for value in of)) for label, of in zip(labels, counts, strict=True))
    return Table(
        Words("Rows by true and predicted label", "按真实标签与预测标签统计的行数"),
        header,
        rows,
        frozenset(range(1, len(header))),
    )


def _pairs(labels: Sequence[str], counts: np.ndarray) -> Block:
    """The most frequent confusions."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    places = [np.unravel_index(place, wrong.shape) for place in order if wrong.flat[place] > 0]
    if not places:
        return Paragraph(Words("No label is ever taken for another.", "没有任何标签被判成另一个。"))
    support = counts.sum(axis=1)
    rows = tuple((labels[i], labels[j], f"{wrong[i, j]:,}", percent(wrong[i, j] / support[i])) for i, j in places)
    header = (_TRUE, _GIVEN, Words("rows", "行数"), Words("share of the true label", "占真实标签的比例"))
    return Table(Words("What is confused most often", "最常见的混淆"), header, rows, frozenset({2, 3}))


CONFUSION = Section(Words("Confusion", "混淆"), tell)
