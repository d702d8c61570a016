"""The input and the result of a training: a job, and figures of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from dianji.adapt.base import Adaptation
from dianji.bases.base import Base
from dianji.engine.frozen.contract import WHOLE, States
from dianji.spec.sections import Train
from dianji.tasks.base import Task, TaskModel
from dianji.techniques.base import Technique


@dataclass(frozen=True)
class Job:
    """One stage's training, ready to start: the model has its head and adaptation, the examples are encoded."""

    name: str
    task: Task
    base: Base
    model: TaskModel
    adaptation: Adaptation
    techniques: tuple[Technique, ...]
    train: Train
    examples: pa.Table
    validation: pa.Table | None
    seed: int
    states: States = WHOLE  # of the training examples
    validation_states: States = WHOLE


@dataclass(frozen=True)
class Trained:
    """The cost of a training. Resumed runs add up."""

    seconds: float
    samples: int
    steps: int
    stop_reason: str
    compile_seconds: float = 0.0  # not part of ``seconds``
    #: The fit of a linear head to its optimum; None where the loop trained the head.
    fit: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, without those that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}
