"""What a task offers beyond its contract where its model can hold a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from dianji.bases.base import Base


@runtime_checkable
class Conversing(Protocol):
    """A task whose model answers one turn after the other; ``dianji chat`` asks for it."""

    def reply(self, model: torch.nn.Module, base: Base, turns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The answer to a conversation, piece by piece; the pieces together are the whole answer.

        Args:
            model: in evaluation mode.
            base: the base that the model was made of.
            turns: records of the column kind ``messages``.

        Raises:
            DataError: the conversation cannot be answered.
        """
        ...
