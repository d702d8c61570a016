"""A stage's data, parent and folder, as manifests and ledger name them."""

from __future__ import annotations

from pathlib import Path

from dianji.artefact.manifest import PARTS, Parent
from dianji.bases.base import Base
from dianji.bases.hub import HubBase
from dianji.pipeline.plan import Work
from dianji.registry import key_of
from dianji.tasks.base import Task


def parent_of(work: Work) -> Parent:
    """The earlier stage or the base."""
    kind, name = ("stage", work.parent.name) if work.parent else ("base", work.card.name)
    return Parent(kind, name, work.parent_digest)


def data_of(work: Work, part: str | None = None) -> dict[str, str]:
    """Section -> digest; of one part, or of all."""
    chosen = work.parts if part is None else {part: work.parts[part]}
    return {of.section: of.data.digest for of in chosen.values()}


def sections_of(work: Work) -> list[str]:
    """The names of the stage's data sections."""
    return [of.section for of in work.parts.values()]


def folder_of(work: Work, task: Task) -> Path:
    """The folder from which a later stage with this task opens the stage.

    Of a stage with several parts it is that of the part with the same task, which has a head for it, or the first.
    """
    if work.stage.parts is None:
        return work.step.artefact
    alike = [part for part, of in work.parts.items() if key_of(of.task) == key_of(task)]
    return work.step.artefact / PARTS / (alike or list(work.parts))[0]


def place_of_base(work: Work, base: Base) -> str:
    """Where others find the stage's start: a Hub id, or a path; empty for a base that was drawn anew."""
    if work.parent is not None:
        return str(work.parent.step.link())
    if isinstance(work.source, HubBase):
        return work.source.name
    return "" if base.folder is None else str(base.folder.absolute())
