"""Labels of held-out rows that are probably wrong, by the record of a model that was not trained on them."""

from __future__ import annotations

from collections.abc import Sequence

from dianji.evaluate.outcome import Suspect
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
    found = outcome.suspects() if outcome else None
    if outcome is None or found is None:
        return None
    about = _about(len(found), outcome.rows, both(named(str(subject.split))))
    if not found:
        return [Paragraph(about)]
    rows = subject.shown_rows
    gone = [without_rows(rows)] if isinstance(rows, Words) else []
    return [Paragraph(about), *gone, _table(found, None if isinstance(rows, Words) else rows)]


def _about(found: int, rows: int, split: Words) -> Words:
    return Words(
        f"{found:,} of the {rows:,} labels of {split.en} are probably wrong, by confident learning (Northcutt et al., "
        "2021). Only these held-out rows are judged, by their record: the model has not learnt from them. "
        "Look at them before the score is taken for the truth.",
        f"按置信学习（Northcutt 等，2021），{split.zh}的 {rows:,} 个标签中有 {found:,} 个可能标错。"
        "这里只判断留出的行，依据是记录中模型对这些行的预测：模型没有学过它们。在把分数当真之前，请先看看这些行。",
    )


def _table(found: Sequence[Suspect], rows: SourceRows | None) -> Table:
    header: tuple[Text, ...] = (
        Words("row", "行"),
        Words("label", "标签"),
        Words("its probability", "该标签的概率"),
        Words("probably", "更可能是"),
        Words("its probability", "其概率"),
    )
    cells = [_row(suspect, rows) for suspect in found[:_SHOWN]]
    caption = Words("Likely label errors, the likeliest first", "可能的标注错误，最可能的在前")
    return Table(
        caption, header if rows is None else (*header, Words("input", "输入")), tuple(cells), frozenset({2, 4})
    )


def _row(suspect: Suspect, rows: SourceRows | None) -> tuple[Cell, ...]:
    cells: tuple[Cell, ...] = (
        f"{suspect.row + 1:,}",
        suspect.label,
        percent(suspect.probability),
        suspect.suggested,
        percent(suspect.suggested_probability),
    )
    return cells if rows is None else (*cells, shown(rows, suspect.row))


LABEL_ERRORS = Section(Words("Likely label errors", "可能的标注错误"), tell)
