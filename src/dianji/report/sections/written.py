"""What a model writes: its worst answers, its best ones and some between, beside what was wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dianji.evaluate.outcome import Outcome
from dianji.report.blocks import Block, Cell, Paragraph, Table, Text, Words
from dianji.report.section import Section
from dianji.report.sections.mistakes import changed, shown, without_rows
from dianji.report.subject import Subject
from dianji.report.wording import percent, shorten

_EACH = 5  # rows of each of the three kinds
_CHARACTERS = 300


def tell(subject: Subject) -> Sequence[Block] | None:
    """From the record; nothing for outcomes whose answers are right or wrong."""
    outcome = subject.record.outcome if subject.record else None
    found = ranked(outcome) if outcome else None
    if outcome is None or found is None:
        return None
    how = Paragraph(
        Words(
            "Rows in the order of how alike answer and reference are, by pairs of characters. A text that differs from "
            "its reference need not be wrong.",
            "各行按回答与参考文本的相似程度（以相邻两字符计）排序。与参考文本不同的回答未必是错的。",
        )
    )
    rows = subject.shown_rows
    if isinstance(rows, Words):
        if not subject.shows_rows:  # references are part of the data
            return [without_rows(rows)]
        return [without_rows(rows), how, _table(outcome, found, None)]
    return [*changed(rows), how, _table(outcome, found, [shown(rows, row) for row, _ in found])]


def ranked(outcome: Outcome) -> list[tuple[int, float]] | None:
    """(row, quality) of the worst rows, of those in the middle and of the best; None where there is no quality."""
    quality = outcome.quality()
    if quality is None or outcome.rows == 0 or outcome.describe(0) is None:
        return None
    order = np.argsort(quality, kind="stable")
    middle = max(0, len(order) // 2 - _EACH // 2)
    places = np.unique(np.concatenate([order[:_EACH], order[middle : middle + _EACH], order[-_EACH:]]))
    places = places[np.argsort(quality[places], kind="stable")]
    return [(int(row), float(quality[row])) for row in places]


def _table(outcome: Outcome, found: Sequence[tuple[int, float]], inputs: Sequence[Cell] | None) -> Table:
    header: tuple[Text, ...] = (
        Words("row", "行"),
        Words("alike", "相似度"),
        Words("reference", "参考文本"),
        Words("written", "模型所写"),
    )
    rows: list[tuple[Cell, ...]] = []
    for row, quality in found:
        answer = outcome.describe(row)
        told = ("", "") if answer is None else answer
        rows.append((f"{row + 1:,}", percent(quality), *(shorten(text, _CHARACTERS) for text in told)))
    caption = Words("The worst, some in the middle, the best", "最差的、居中的和最好的")
    if inputs is None:
        return Table(caption, header, tuple(rows), frozenset({1}))
    beside = tuple((*cells, value) for cells, value in zip(rows, inputs, strict=True))
    return Table(caption, (*header, Words("input", "输入")), beside, frozenset({1}))


WRITTEN = Section(Words("What the model writes", "模型写了什么"), tell)
