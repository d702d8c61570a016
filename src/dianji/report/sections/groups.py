"""Figures of rows in groups: of numbers by their size, of rankings by rank; and the rows that are furthest off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dianji.evaluate.outcome import Breakdown, Outcome
from dianji.report.blocks import Block, Cell, Table, Text, Words
from dianji.report.section import Section
from dianji.report.sections.mistakes import changed, shown, without_rows
from dianji.report.subject import Subject
from dianji.report.wording import ROWS, named, number

_SHOWN = 10
#: What rows are grouped by, and the title of such a table.
_BY = {
    "truth": (Words("true number", "真实数值"), Words("By the true number", "按真实数值分组")),
    "number": (Words("number", "数值"), Words("Each number by itself", "各个数值")),
    "score": (Words("score", "分数"), Words("By the score that people gave", "按人工分数分组")),
    "rank": (Words("rank", "名次"), Words("By the rank of the right answer", "按正确答案的名次分组")),
    "turn": (Words("answer", "第几个回答"), Words("By the place in the conversation", "按对话中的先后分组")),
}


def tell(subject: Subject) -> Sequence[Block] | None:
    """From the record; nothing for outcomes without groups."""
    outcome = subject.record.outcome if subject.record else None
    if outcome is None or outcome.rows == 0:
        return None
    found, errors = outcome.breakdown(), outcome.errors()
    blocks: list[Block] = [] if found is None or not found.groups else [_groups(found)]
    if errors is not None:
        blocks += _furthest(subject, outcome, errors)
    return blocks or None


def _groups(found: Breakdown) -> Table:
    by, caption = _BY.get(found.by, (found.by, found.by))
    figures = list(found.groups[0][2])
    header: tuple[Text, ...] = (by, ROWS, *(named(name) for name in figures))
    rows = [(name, f"{count:,}", *(number(of[figure]) for figure in figures)) for name, count, of in found.groups]
    return Table(caption, header, tuple(rows), frozenset(range(1, 2 + len(figures))))


def _furthest(subject: Subject, outcome: Outcome, errors: np.ndarray) -> list[Block]:
    order = np.argsort(-errors, kind="stable")[:_SHOWN].tolist()
    header: tuple[Text, ...] = (
        Words("row", "行"),
        Words("true", "真实"),
        Words("predicted", "预测"),
        Words("standard deviations apart", "相差（标准差）"),
    )
    cells: list[tuple[Cell, ...]] = []
    for row in order:
        answer = outcome.describe(row)
        true, given = ("", "") if answer is None else answer
        cells.append((f"{row + 1:,}", true, given, number(float(errors[row]))))
    caption = Words("The rows that are furthest off", "偏差最大的行")
    rows = subject.shown_rows
    if isinstance(rows, Words):
        return [without_rows(rows), Table(caption, header, tuple(cells), frozenset({1, 2, 3}))]
    beside = tuple((*of, shown(rows, row)) for of, row in zip(cells, order, strict=True))
    return [*changed(rows), Table(caption, (*header, Words("input", "输入")), beside, frozenset({1, 2, 3}))]


GROUPS = Section(Words("Rows in groups", "分组成绩"), tell)
