"""Labels of held-out rows that are probably wrong: the model has not learnt from them, so its record may judge them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dianji.evaluate.confident import likely_errors
from dianji.evaluate.outcome import Classified
from dianji.report.blocks import Block, Cell, Paragraph, Table, Text, Words
from dianji.report.rows import SourceRows
from dianji.report.section import Section
from dianji.report.sections.mistakes import shown, without_rows
from dianji.report.subject import Subject
from dianji.report.wording import both, named, percent

_SHOWN = 30


def tell(subject: Subject) -> Sequence[Block] | None:
    """Confident learning on the record; nothing for rows with several labels, or without any."""
    outcome = subject.record.outcome if subject.record else None
    if not isinstance(outcome, Classified):
        return None
    found = suspects(outcome)
    about = _about(len(found), outcome.rows, both(named(str(subject.split))))
    if not len(found):
        return [Paragraph(about)]
    rows = subject.shown_rows
    gone = [without_rows(rows)] if isinstance(rows, Words) else []
    return [Paragraph(about), *gone, _table(outcome, found, None if isinstance(rows, Words) else rows)]


def suspects(outcome: Classified) -> np.ndarray:
    """Positions of rows whose label is probably wrong, the likeliest first; only labels that occur are considered."""
    present, target = np.unique(outcome.target, return_inverse=True)
    if len(present) < 2:
        return np.zeros(0, dtype=np.int64)
    probabilities = outcome.probabilities[:, present].astype(np.float64)
    total = np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return likely_errors(target, probabilities / total)


def _about(found: int, rows: int, split: Words) -> Words:
    return Words(
        f"{found:,} of the {rows:,} labels of {split.en} are probably wrong, by confident learning (Northcutt et al., "
        "2021). Only these held-out rows are judged, by what was recorded of them: the model has not learnt from them. "
        "Look at them before the score is taken for the truth.",
        f"按置信学习（Northcutt 等，2021），{split.zh}的 {rows:,} 个标签中有 {found:,} 个可能标错。"
        "这里只判断留出的行，依据是记录中模型对这些行的预测：模型没有学过它们。在把分数当真之前，请先看看这些行。",
    )


def _table(outcome: Classified, found: np.ndarray, rows: SourceRows | None) -> Table:
    header: tuple[Text, ...] = (
        Words("row", "行"),
        Words("label", "标签"),
        Words("its probability", "该标签的概率"),
        Words("probably", "更可能是"),
        Words("its probability", "其概率"),
    )
    told = [_row(outcome, row, rows) for row in found[:_SHOWN].tolist()]
    caption = Words("Likely label errors, the likeliest first", "可能的标注错误，最可能的在前")
    return Table(caption, header if rows is None else (*header, Words("input", "输入")), tuple(told), frozenset({2, 4}))


def _row(outcome: Classified, row: int, rows: SourceRows | None) -> tuple[Cell, ...]:
    probabilities, label = outcome.probabilities[row], int(outcome.target[row])
    best = int(probabilities.argmax())
    cells: tuple[Cell, ...] = (
        f"{row + 1:,}",
        outcome.labels[label],
        percent(float(probabilities[label])),
        outcome.labels[best],
        percent(float(probabilities[best])),
    )
    return cells if rows is None else (*cells, shown(rows, row))


LABEL_ERRORS = Section(Words("Likely label errors", "可能的标注错误"), tell)
