"""A trained model with everything that its artefact is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Evidence:
    """The evidence about a model: JSON documents by name, records by split, and the event log."""

    documents: Mapping[str, Any]
    records: Mapping[str, Record]
    events: Path
