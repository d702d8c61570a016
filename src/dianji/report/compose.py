"""Makes a document of subjects: every section that applies becomes a chapter."""

from __future__ import annotations

from collections.abc import Sequence

from dianji.report.blocks import Chapter, Document, Paragraph, Words
from dianji.report.sections import SECTIONS
from dianji.report.subject import Subject
from dianji.report.wording import both, interval, named, number


def of_artefact(subject: Subject) -> Document:
    """The report on one artefact."""
    manifest = subject.manifest
    return Document(f"{manifest.recipe}: {manifest.stage}", headline(subject), chapters(subject))


def of_recipe(
    name: str, subjects: Sequence[Subject], unfinished: Sequence[str], compared: Chapter | None = None
) -> Document:
    """The report on all finished stages of a recipe, one chapter each.

    Args:
        name: of the recipe.
        subjects: artefacts of the finished stages, in the order in which they ran.
        unfinished: names of the other stages.
        compared: the chapter on the recipe's comparison, which comes first; None: it compares nothing.
    """
    count, names = len(subjects), ", ".join(unfinished)
    left = Words(f" Not finished yet: {names}.", f"尚未完成：{names}。") if unfinished else Words("", "")
    lead = Words(f"Finished stages: {count}.{left.en}", f"已完成的阶段：{count} 个。{left.zh}")
    first = () if compared is None else (compared,)
    stages = (Chapter(of.manifest.stage, (Paragraph(headline(of)),), chapters(of)) for of in subjects)
    return Document(name, lead, (*first, *stages))


def chapters(subject: Subject) -> tuple[Chapter, ...]:
    """One for each section that applies."""
    blocks_of = [(section.title, section.tell(subject)) for section in SECTIONS]
    return tuple(Chapter(title, tuple(blocks)) for title, blocks in blocks_of if blocks)


def headline(subject: Subject) -> Words:
    """The model's main result in one sentence."""
    if subject.split is None or subject.primary is None:
        return Words("Nothing was measured.", "没有评测结果。")
    found = subject.measured["metrics"][subject.split][subject.primary]
    metric, split = both(named(subject.primary)), both(named(subject.split))
    value, span, rows = number(found["value"]), interval(found), f"{found['n']:,}"
    return Words(
        f"{metric.en} {value} (95 % interval {span}) on {rows} {split.en} rows",
        f"{split.zh} {rows} 行，{metric.zh} {value}（95% 区间 {span}）",
    )
