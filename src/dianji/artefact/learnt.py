"""A trained model with everything that its artefact is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dianji.adapt.base import Adaptation
from dianji.artefact.record import Record
from dianji.bases.base import Base
from dianji.tasks.base import Task, TaskModel


@dataclass(frozen=True)
class Learnt:
    """A model at the end of its training, with its task, base and adaptation."""

    task: Task
    base: Base
    model: TaskModel
    adaptation: Adaptation

    def parts(self) -> dict[str, Learnt]:
        """Each part of a joint task with its own model, which still shares the trunk; a plain task has one, ``""``."""
        return {part: replace(self, task=task, model=of) for part, (task, of) in self.task.models(self.model).items()}

    def released(self) -> dict[str, Learnt]:
        """The same with a trunk for each, as it is saved. The joint model cannot be used afterwards."""
        found = self.parts()
        self.task.release(self.model)
        return found


@dataclass(frozen=True)
class Evidence:
    """The evidence about a model: JSON documents by name, records by split, and the event log."""

    documents: Mapping[str, Any]
    records: Mapping[str, Record]
    events: Path
