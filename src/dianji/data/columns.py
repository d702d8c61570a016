"""What a column may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: text: string; label: string or whole number, one per row; labels: several per row (list, or joined by ``|``);
#: image: path, bytes or ``struct{bytes, path}``.
Kind = Literal["text", "label", "labels", "image"]


@dataclass(frozen=True)
class Column:
    """A column that a task asks for, under the task's own name for it."""

    kind: Kind
    #: Targets are needed to train and to evaluate, not to predict.
    target: bool = False
