"""The contract of frozen states: how a model is given the output of its frozen part for a batch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np


class States(Protocol):
    """The outputs of a model's frozen part for the examples of one split."""

    def of(self, indices: np.ndarray) -> AbstractContextManager[None]:
        """Inside, a batch of these examples runs only the layers after the frozen part."""
        ...


class Whole:
    """The whole model runs."""

    def of(self, indices: np.ndarray) -> AbstractContextManager[None]:
        """Nothing changes."""
        return nullcontext()


WHOLE = Whole()
