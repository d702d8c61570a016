"""What a task that gives vectors of texts offers to a search: how queries are read, and how passages are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dianji.bases.base import Base
from dianji.tasks import _tokens

if TYPE_CHECKING:
    from dianji.tasks.base import Task


@dataclass(frozen=True)
class TextEmbedder:
    """Two tasks on one base, whose ``outputs`` have ``vector``; the model of either serves both."""

    query: Task
    passage: Task
    base: Base
    length: int  # tokens of a passage that are read, without special ones and the prompt

    def token_starts(self, texts: Sequence[str]) -> list[np.ndarray]:
        """(tokens,) int64 for each text: the character at which each token begins."""
        return _tokens.starts(texts, self.base)
