"""The contract of an adaptation: which weights learn."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

from transformers import PreTrainedModel

from dianji.tasks.base import TaskModel


class Adaptation(Protocol):
    """A frozen dataclass that knows nothing of tasks; constructor arguments are what a recipe may say.

    Proves its own effect (``dianji.testing.AdaptationContract``): after one step something it claims to train has
    changed, and nothing else has.

    An adaptation that lets nothing but the head learn may say so by a class attribute ``head_only = True``: where the
    head is one linear layer, it is then fitted to its optimum. Whoever does not say so is trained step by step.
    """

    #: Suggested learning rate as a multiple of what full fine-tuning of the same base gets.
    learning_rate_factor: ClassVar[float]

    def attach(self, model: TaskModel) -> None:
        """Freeze, wrap, insert, in place; sets ``requires_grad`` on every parameter. The task's head always learns.

        Raises:
            CapabilityError: the model has nothing this adaptation could train; says what it looked for.
        """
        ...

    def merge(self, model: PreTrainedModel) -> None:
        """In place: the same predictions without the extra parts. Nothing to do where nothing was inserted.

        Raises:
            CapabilityError: it cannot be done exactly.
        """
        ...

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the extra parts alone (peft's format) to ``folder``, before ``merge``; nothing where there are none."""
        ...


def head_only(adaptation: Adaptation) -> bool:
    """Whether nothing but the head learns, as the adaptation says."""
    return bool(getattr(adaptation, "head_only", False))
