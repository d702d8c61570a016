"""The most confident mistakes, row by row: often the label is wrong, or two labels mean the same."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dianji.data.images import open_image
from dianji.errors import DianjiError
from dianji.evaluate.outcome import Outcome
from dianji.report.blocks import Block, Cell, Paragraph, Table, Text, Thumbnail, Words
from dianji.report.rows import SourceRows
from dianji.report.section import Section
from dianji.report.subject import Subject
from dianji.report.wording import percent, shorten

_SHOWN = 20
_CHARACTERS = 300
_SIDE = 96  # pixels
GONE = Words("this row is no longer in the data", "数据中已没有这一行")


@dataclass(frozen=True)
class Mistake:
    """A row that got a wrong answer."""

    row: int
    true: str
    given: str
    confidence: float | None  # None where the model states none


def tell(subject: Subject) -> Sequence[Block] | None:
    """From the record, with the rows themselves where the data is still there."""
    outcome = subject.record.outcome if subject.record else None
    found = mistakes(outcome) if outcome else None
    if found is None:
        return None
    if not found:
        return [Paragraph(Words("The model made no mistake on these rows.", "模型在这些行上没有犯错。"))]
    rows = subject.shown_rows
    if isinstance(rows, Words):
        return [without_rows(rows), _table(found, None)]
    return [*changed(rows), _table(found, rows)]


def mistakes(outcome: Outcome) -> list[Mistake] | None:
    """The most confident first, at most twenty; None where answers are not right or wrong, or have no text.

    With several decisions per row, a row's surest wrong one counts. Without confidence rows keep their order.
    """
    hits, decisions = outcome.right(), outcome.decisions()
    if hits is None:
        return None
    sure = np.ones(outcome.rows)
    if decisions is not None:
        sure = np.where(decisions.right, -1.0, decisions.confidence).max(axis=1)
    doubt = np.where(hits, -1.0, sure)  # (rows,); -1: all of it is right
    found = []
    for row in np.argsort(-doubt, kind="stable")[:_SHOWN].tolist():
        answer = outcome.describe(row)
        if answer is None:
            return None
        if doubt[row] >= 0:
            found.append(Mistake(row, *answer, None if decisions is None else float(doubt[row])))
    return found


def without_rows(reason: Words) -> Paragraph:
    """A note that a part is missing, and the reason."""
    return Paragraph(
        Words(f"Made without the rows themselves. {reason.en}", f"本节没有用到原始行。{reason.zh}"), note=True
    )


def changed(rows: SourceRows) -> list[Block]:
    """A note where the data differs from that of the evaluation."""
    gone = int((rows.place < 0).sum())
    if not rows.changed and not gone:
        return []
    text = Words(
        f"The data has changed since: {gone:,} of {len(rows.place):,} rows are not in it any more. The others are "
        "shown as they were measured.",
        f"数据后来有改动：{len(rows.place):,} 行中有 {gone:,} 行已不在其中；其余各行与评测时相同。",
    )
    return [Paragraph(text, note=True)]


def _table(found: Sequence[Mistake], rows: SourceRows | None) -> Table:
    caption = Words("The surest mistakes first", "最有把握的错误在前")
    header: tuple[Text, ...] = (
        Words("row", "行"),
        Words("true", "真实"),
        Words("predicted", "预测"),
        Words("confidence", "置信度"),
    )
    cells_of = [
        (f"{of.row + 1:,}", of.true, of.given, "–" if of.confidence is None else percent(of.confidence)) for of in found
    ]
    if rows is None:
        return Table(caption, header, tuple(cells_of), frozenset({3}))
    beside = [(*cells, shown(rows, of.row)) for cells, of in zip(cells_of, found, strict=True)]
    return Table(caption, (*header, Words("input", "输入")), tuple(beside), frozenset({3}))


def shown(rows: SourceRows, row: int) -> Cell:
    """The input of a recorded row, shortened for a table."""
    value = rows.value(row)
    if value is None:
        return GONE
    return _thumbnail(value, row) if isinstance(value, bytes) else shorten(str(value), _CHARACTERS)


def _thumbnail(content: bytes, row: int) -> Cell:
    try:
        image = open_image(content, f"row {row + 1}")
    except DianjiError as error:
        return Words(f"cannot be shown: {error}", f"无法显示：{error}")
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return Thumbnail(stream.getvalue(), Words(f"the picture of row {row + 1}", f"第 {row + 1} 行的图片"))


MISTAKES = Section(Words("Surest mistakes", "最有把握的错误"), tell)
